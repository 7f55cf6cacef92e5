"""Files that start the system on machines, and the programs that they need."""
