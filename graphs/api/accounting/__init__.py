"""What every request is counted for: limits, usage, the audit log."""
