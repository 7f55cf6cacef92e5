"""What is broken on purpose, one family a file."""
