"""What computes a network on a CPU: torch, or one of three engines that read its ONNX graph."""
