"""Request bodies: how large, how coded, how many parts, and parsed in turn."""
