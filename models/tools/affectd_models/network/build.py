"""The network of a [model] table."""

from __future__ import annotations

from torch import nn

from affectd_models.config import ModelTable
from affectd_models.faces.ferplus import OUTPUTS
from affectd_models.network import dlib_face, maxvit


def build(table: ModelTable) -> nn.Module:
    """The network for [n, 1, size, size] -> [n, 10], freshly initialized."""
    if table.get("family", "maxvit") == "dlib":
        net = dlib_face.FaceNet(1, OUTPUTS, nn.BatchNorm2d, last_bias=True)
        net.regularize(table["drop_path"], table["dropout"])
        return net
    return maxvit.build(table)
