"""What callers use, what they may use, and what they did: counted here, kept in the catalog."""
