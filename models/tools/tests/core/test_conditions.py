"""Simulated conditions of faces: light, skin, pose, glasses and masks."""

import numpy as np
import pytest
from PIL import Image

from affectd_models.faces import conditions, degrade
from affectd_models.faces.ferplus import SIDE


def gradient():
    """A picture that gets brighter to the right, 40 to 228, and is the same in every row."""
    return Image.fromarray(np.tile(40 + 4 * np.arange(SIDE, dtype=np.uint8), (SIDE, 1)))


def grey(value):
    return Image.new("L", (SIDE, SIDE), value)


def luma(picture):
    return np.asarray(picture, float)


def test_exposure_scales_and_clips():
    assert (luma(conditions.exposed(grey(100), 0.5)) == 50).all()
    assert (luma(conditions.exposed(grey(200), 1.6)) == 255).all()
    noisy = luma(conditions.exposed(grey(200), 0.5, noise=3))
    assert noisy.mean() == pytest.approx(100, abs=0.5)
    assert noisy.std() == pytest.approx(3, abs=0.3)
    np.testing.assert_array_equal(noisy, luma(conditions.exposed(grey(200), 0.5, noise=3)))


def test_contrast_keeps_the_mean():
    flat = luma(conditions.flat(gradient(), 0.4))
    assert flat.mean() == pytest.approx(luma(gradient()).mean(), abs=0.5)
    assert flat.std() == pytest.approx(0.4 * luma(gradient()).std(), rel=0.02)


def test_light_comes_from_its_side():
    left = luma(conditions.side_light(grey(200), 0.25, from_left=True))
    assert (left[0, 0], left[0, -1]) == (200, 50)
    np.testing.assert_array_equal(
        left[:, ::-1], luma(conditions.side_light(grey(200), 0.25, from_left=False))
    )


def test_skin_changes_inside_the_face_only():
    darker = luma(conditions.relit_skin(grey(128), 2.0))
    assert darker[24, 24] == pytest.approx(64, abs=1)
    assert (darker[0, 0], darker[0, -1]) == (128, 128)
    assert luma(conditions.relit_skin(grey(128), 0.5))[24, 24] == pytest.approx(180, abs=1)
    # Black and white do not change.
    for value in (0, 255):
        assert (luma(conditions.relit_skin(grey(value), 2.0)) == value).all()


def test_a_turned_head_keeps_its_nose_and_shows_less_of_one_side():
    face = gradient()
    np.testing.assert_allclose(luma(conditions.turned(face, 0)), luma(face), atol=1)
    right = luma(conditions.turned(face, 30))[0]
    middle = luma(face)[0, 23:25].mean()
    assert right[23:25].mean() == pytest.approx(middle, abs=3)
    # The face turns to the right: more of its left half is seen, and less of the right one.
    steps = np.diff(right)
    assert steps[4:20].mean() < np.diff(luma(face)[0]).mean()
    assert steps[28:40].mean() > np.diff(luma(face)[0]).mean()
    mirrored = luma(conditions.turned(Image.fromarray(luma(face)[:, ::-1].astype(np.uint8)), -30))
    np.testing.assert_allclose(mirrored[0, ::-1], right, atol=1)
    nods = luma(conditions.turned(Image.fromarray(luma(face).T.astype(np.uint8)), 30, axis=0))
    np.testing.assert_array_equal(nods.T[0], right)


def test_glasses_cover_the_eyes_and_a_mask_the_mouth():
    clear, dark = (luma(conditions.with_glasses(grey(200), tint)) for tint in (0.1, 0.9))
    for x, y in conditions.EYES:
        assert clear[round(y), round(x)] == pytest.approx(180, abs=2)
        assert dark[round(y), round(x)] == pytest.approx(20, abs=2)
    assert (clear[30:] == 200).all()
    mask = luma(conditions.with_mask(grey(40), 0.75))
    assert (mask[:22, 10:38] == 40).all()
    assert (mask[30:33, 15:33] == 191).all()
    assert mask[34, 24] < 191


def test_mixed_faces_have_all_changes_in_turn():
    names = list(degrade.CHANGES)
    found = [degrade.change_of(degrade.MIXED, index) for index in range(2 * len(names))]
    assert found == [degrade.CHANGES[name] for name in names] * 2
    assert degrade.change_of("mask", 3) is degrade.CHANGES["mask"]
    for change in found[: len(names)]:
        assert change(gradient()).mode == "L"
