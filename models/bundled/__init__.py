"""Models small enough to ship, and the code that trains them."""
