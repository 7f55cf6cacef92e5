"""How a caller is recognised: by an API key."""
