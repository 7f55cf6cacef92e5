"""`python -m graphs.keys`: makes, lists, renews and revokes API keys."""
