"""API keys: who may do what, and what of files and stores they see."""
