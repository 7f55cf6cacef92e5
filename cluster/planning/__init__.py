"""What a Serve config would do, before it does it: memory, places, prices, licences, changes."""
