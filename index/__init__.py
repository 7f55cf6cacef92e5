"""Documents: read, cut, stored and found."""
