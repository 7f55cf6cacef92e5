"""Batches of requests: kept with their results until these are files."""
