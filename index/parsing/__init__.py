"""From bytes to documents, in a process with limits."""
