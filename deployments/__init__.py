"""One thin Ray Serve class a file, around one model or one index."""
