"""The page at `/`: a chat, the documents, the system, keys and usage, for people with a browser."""
