"""The corpus as the API sees it: Protocols in small parts, by use."""
