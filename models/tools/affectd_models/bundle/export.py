"""Write a checkpoint as an f32 ONNX file with static shapes.

affectd-models export --checkpoint best.pt --out NAME.f32.onnx
"""

from __future__ import annotations

import argparse
import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import onnx
import onnxruntime
import torch
from jaxtyping import Float
from torch import Tensor, nn

from affectd_models.network import deploy
from affectd_models.training import checkpoint

log = logging.getLogger(__name__)

# The first opset with Gelu; tract has a kernel for its tanh form.
OPSET = 20


def main(argv: Sequence[str] | None = None) -> None:
    """Export, check and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(argv)

    net, config = checkpoint.load(args.checkpoint)
    size = config["model"]["size"]
    face = torch.randn(1, 1, size, size, generator=torch.Generator().manual_seed(0))
    graph = write(deploy.folded(net), face, args.out)

    with torch.no_grad():
        expected = net(face)
    found = onnxruntime.InferenceSession(args.out).run(None, {"face": face.numpy()})[0]
    log.info("largest difference from PyTorch: %g", float(abs(expected.numpy() - found).max()))
    log.info("operators: %s", dict(Counter(node.op_type for node in graph.graph.node)))


def write(net: nn.Module, face: Float[Tensor, "1 c h w"], path: Path) -> onnx.ModelProto:
    """Write a network for inputs of the shape of `face`; returns the checked ONNX model."""
    torch.onnx.export(
        net,
        (face,),
        path,
        dynamo=False,
        opset_version=OPSET,
        input_names=["face"],
        output_names=["expression"],
    )
    graph = onnx.shape_inference.infer_shapes(onnx.load(path), strict_mode=True, data_prop=True)
    onnx.checker.check_model(graph, full_check=True)
    onnx.save(graph, path)
    return graph
