"""Foreign ONNX image networks made into artifacts."""
