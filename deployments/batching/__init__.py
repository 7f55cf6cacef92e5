"""Calls that share one model."""
