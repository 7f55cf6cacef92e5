"""What is known of those who ask: what they used, what they may use, what they did."""
