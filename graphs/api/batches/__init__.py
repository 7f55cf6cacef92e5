"""Batches of requests: lines of a file, answered by the routes while nobody else needs them."""
