"""What decodes: the transformers and vLLM engines, and how tokens are picked."""
