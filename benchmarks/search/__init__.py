"""Retrieval over many passages; see `__main__.py`."""
