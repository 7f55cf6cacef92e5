"""Files that start the system on machines, and the one program that fills in what differs."""
