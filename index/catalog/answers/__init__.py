"""What clients asked and were answered, kept for them: responses and conversations."""
