"""Model bundles as the daemon reads them: ONNX file, manifest and golden vectors."""
