"""Loading many documents at once; the command is graphs/ingest.py."""
