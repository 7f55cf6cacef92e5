"""Training of the bundled models from documentation text and a seed."""
