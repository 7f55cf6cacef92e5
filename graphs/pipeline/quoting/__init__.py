"""Answers that are quotes: what a question asks for, what can be quoted, and what is."""
