"""`python -m graphs.audit`."""
