"""Write a checkpoint as a static f32 ONNX file.

    python models/tools/export.py --checkpoint best.pt --out NAME.f32.onnx
"""

import argparse
from collections import Counter
from pathlib import Path

import onnx
import onnxruntime
import torch

import checkpoint
import deploy

# The first opset with Gelu; tract has a kernel for its tanh form.
OPSET = 20


def main():
    """Export, check and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()

    net, config = checkpoint.load(args.checkpoint)
    size = config["model"]["size"]
    face = torch.randn(1, 1, size, size, generator=torch.Generator().manual_seed(0))
    graph = write(deploy.plain(net), face, args.out)

    with torch.no_grad():
        wanted = net(face)
    found = onnxruntime.InferenceSession(args.out).run(None, {"face": face.numpy()})[0]
    print("largest difference from PyTorch:", float(abs(wanted.numpy() - found).max()))
    print(dict(Counter(node.op_type for node in graph.graph.node)))


def write(plain, face, path):
    """Write a network of `deploy.plain` for inputs of the shape of `face`; returns the checked ONNX model."""
    torch.onnx.export(
        plain, (face,), path, dynamo=False, opset_version=OPSET,
        input_names=["face"], output_names=["expression"],
    )
    graph = onnx.shape_inference.infer_shapes(onnx.load(path), strict_mode=True, data_prop=True)
    onnx.checker.check_model(graph, full_check=True)
    onnx.save(graph, path)
    return graph


if __name__ == "__main__":
    main()
