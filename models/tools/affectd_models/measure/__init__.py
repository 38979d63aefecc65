"""Metrics of networks and ONNX files."""
