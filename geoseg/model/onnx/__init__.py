"""Networks of other programs, in ONNX files: their metadata, and their scores by ONNX Runtime."""
