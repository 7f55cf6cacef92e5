"""Loading many documents at once; the command is graphs/commands/ingest.py."""
