"""FER+ sheets and votes, and what is written from them."""

import csv

import numpy as np
import pytest
from PIL import Image

from affectd_models.errors import InvalidInput
from affectd_models.faces import degrade, ferplus, images

COLUMNS = [
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
    "unknown",
    "NF",
]


def write_split(folder, votes, columns=COLUMNS):
    """A split of faces that are uniform grey: face i has the value 2 i, up to a sheet of 100."""
    count = min(len(votes), ferplus.PER_ROW)
    sheet = np.zeros((ferplus.PER_ROW, ferplus.SIDE, ferplus.SIDE), np.uint8)
    sheet[:count] = 2 * np.arange(count, dtype=np.uint8)[:, None, None]
    sheet = sheet.swapaxes(0, 1).reshape(ferplus.SIDE, -1)
    Image.fromarray(sheet).save(folder / "ferplus_some_0.webp", lossless=True)
    np.savez(folder / "ferplus_some.npz", votes=np.array(votes, np.uint8), columns=columns)


def votes_for(**counts):
    return [counts.get(column.lower(), 0) for column in COLUMNS]


def test_votes_become_distributions(tmp_path):
    usable = [votes_for(happiness=8, neutral=2), votes_for(fear=5, surprise=4, anger=1)]
    unusable = [votes_for(unknown=6, neutral=4), votes_for(nf=9, sadness=1)]
    write_split(tmp_path, [usable[0], *unusable, usable[1]])
    faces = ferplus.load(tmp_path, "some")
    assert faces.images[:, 0, 0].tolist() == [0, 6]
    happy, fearful = faces.target
    assert happy.tolist() == pytest.approx([0.2, 0.8, 0, 0, 0, 0, 0, 0])
    # The single vote for anger is removed as an outlier.
    assert fearful.tolist() == pytest.approx([0, 0, 0, 4 / 9, 5 / 9, 0, 0, 0])
    assert [ferplus.CATEGORIES[label] for label in faces.label] == ["happiness", "fear"]
    assert faces.va[0].tolist() == pytest.approx([0.2 * -0.03 + 0.8 * 0.67, 0.2 * -0.02 + 0.8 * 0.08])


def test_people_s_ratings_replace_the_projection(tmp_path):
    happy, unusable = votes_for(happiness=10), votes_for(nf=10)
    write_split(tmp_path, [happy, unusable, *[happy] * 10])
    ratings = tmp_path / "ratings.csv"
    lines = [f"{row},{row / 20},{-row / 20}" for row in range(1, 11)]
    ratings.write_text("\n".join(["row,valence,arousal", *lines]))
    folders = ("--data", str(tmp_path), "--out", str(tmp_path / "out"))
    images.main([*folders, "--split", "some", "--ratings", str(ratings)])
    with (tmp_path / "out" / "some.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    va = [(row["valence"], row["arousal"]) for row in table]
    # The first and the last face were not rated, the second one is not usable.
    assert (va[0], va[1], va[-2], va[-1]) == (
        ("", ""),
        ("0.1000", "-0.1000"),
        ("0.5000", "-0.5000"),
        ("", ""),
    )
    assert len(va) == 11


def test_incomplete_data_is_refused(tmp_path):
    write_split(tmp_path, [votes_for(happiness=10)] * 101)
    with pytest.raises(InvalidInput, match="hold 100 faces; the votes are for 101"):
        ferplus.load(tmp_path, "some")
    write_split(tmp_path, [votes_for(happiness=10)], [*COLUMNS[:6], "terror", *COLUMNS[7:]])
    with pytest.raises(InvalidInput, match="no votes for fear"):
        ferplus.load(tmp_path, "some")


def test_the_holdout_is_spread_and_disjoint(tmp_path):
    write_split(tmp_path, [votes_for(happiness=10)] * 50)
    rest, held = ferplus.split_holdout(ferplus.load(tmp_path, "some"), 5)
    assert (len(rest), len(held)) == (45, 5)
    assert (held.images[:, 0, 0] // 2).tolist() == [0, 12, 24, 36, 49]
    assert not set(rest.images[:, 0, 0]) & set(held.images[:, 0, 0])


def test_a_split_becomes_pictures_and_a_table(tmp_path):
    write_split(tmp_path, [votes_for(happiness=10), votes_for(sadness=10)])
    images.main(["--data", str(tmp_path), "--split", "some", "--out", str(tmp_path / "out")])
    with (tmp_path / "out" / "some.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["category"], row["valence"]) for row in rows] == [
        ("happiness", "0.6700"),
        ("sadness", "-0.6300"),
    ]
    assert list(rows[1]) == ["path", "category", "valence", "arousal", *images.VOTES]
    votes = [int(rows[1][column]) for column in images.VOTES]
    assert votes == [0, 0, 10, 0, 0, 0, 0, 0, 0, 0]
    assert (
        np.asarray(Image.open(tmp_path / "out" / rows[1]["path"])).tolist() == np.full((48, 48), 2).tolist()
    )


def test_degraded_faces(tmp_path):
    write_split(tmp_path, [votes_for(happiness=10)] * 10)
    degrade.main(["--data", str(tmp_path), "--split", "some", "--faces", "3", "--out", str(tmp_path / "out")])
    folders = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert folders == sorted(degrade.CHANGES)
    sides = {name: Image.open(tmp_path / "out" / name / "00002.png").width for name in folders}
    expected = {"as-it-is": 48, "crop-10-tighter": 44, "margin-40": 68, "pixels-16": 16, "roll-20": 48}
    assert {name: sides[name] for name in expected} == expected
    # A uniform face does not change, because edges are replicated.
    for name in folders:
        if not name.startswith(("as", "crop", "margin", "blur", "pixels", "roll", "yaw", "pitch")):
            continue
        assert np.unique(np.asarray(Image.open(tmp_path / "out" / name / "00002.png"))).tolist() == [18]
