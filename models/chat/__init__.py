"""Chats as a model writes and reads them: its prompt, its thoughts and its calls of tools."""
