"""What a tenant stores, how much of it there may be, and its end."""
