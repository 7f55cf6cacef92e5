"""The one reader of a Serve config: every key, type and block is checked before a model loads."""
