"""What acknowledged documents survive: `python -m benchmarks.durability`."""
