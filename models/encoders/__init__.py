"""Encoders and the engines that run them: torch and ONNX Runtime."""
