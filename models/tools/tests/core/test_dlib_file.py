"""Reading dlib's serialization format."""

import dlib_writer
import numpy as np
import pytest

from affectd_models.errors import InvalidInput
from affectd_models.network import dlib_file


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A small network's file and its weights."""
    monkeypatch.setattr(dlib_file, "LEVELS", dlib_writer.LEVELS)
    path = tmp_path / "net.dat"
    return path, dlib_writer.write(path)


def test_integers():
    for value in (0, 1, 255, 256, -1, -300, 2**40):
        data = dlib_writer.integer(value)
        reader = dlib_file.Reader(data)
        assert (reader.integer(), reader.position) == (value, len(data))
    for data in (b"", b"\x00", b"\x0f"):
        with pytest.raises(InvalidInput, match="integer"):
            dlib_file.Reader(data).integer()


def test_weights_read_back(small):
    path, (convolutions, last) = small
    weights = dlib_file.read(path)
    assert len(weights.convolutions) == 7
    for found, expected in zip(weights.convolutions, convolutions, strict=True):
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(weights.last, last)


def test_incomplete_files_are_refused(small):
    path, _ = small
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(InvalidInput, match="exceeds the file"):
        dlib_file.read(path)
    path.write_bytes(data[: data.index(b"fc_2")])
    with pytest.raises(InvalidInput, match="not dlib's face recognition network"):
        dlib_file.read(path)
