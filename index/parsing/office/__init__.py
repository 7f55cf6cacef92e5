"""What the parsers of Office formats share: the parts of a package, and how its words are read."""
