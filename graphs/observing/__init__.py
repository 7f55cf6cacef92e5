"""What is kept and counted of requests, and why an answer was what it was."""
