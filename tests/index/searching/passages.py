"""Passages for the searches by words."""

from index.records import StoredPassage


def passage(chunk_id, text):
    return StoredPassage(
        chunk_id=chunk_id, store_id="vs", file_id="f", filename="f.md", title="", text=text,
        char_start=0, char_end=len(text),
    )  # fmt: skip
