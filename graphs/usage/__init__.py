"""`python -m graphs.usage`."""
