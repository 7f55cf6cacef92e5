"""Backups of what a system holds, and how they come back."""
