"""What a checkpoint tells of itself without being loaded: sizes, bits, bytes."""
