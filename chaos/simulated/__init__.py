"""Simulated models behind the real graph."""
