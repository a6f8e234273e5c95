"""Networks of other programs, in ONNX files: their metadata, and their output by ONNX Runtime."""
