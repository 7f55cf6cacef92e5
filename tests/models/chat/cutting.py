"""Reads an answer wherever its text is cut."""

from models.chat.parts import joined
from models.chat.reply import reader_of


def read(form, *texts):
    """What is read of a text that comes in pieces."""
    reader = reader_of(form)
    parts = [part for text in texts for part in reader.push(text)]
    return joined([*parts, *reader.flush()])


def at_every_cut(form, text, *, cuts=True):
    """What is read of a text: whole, in two at every place, and character by character."""
    whole = read(form, text)
    for at in range(1, len(text) if cuts else 0):
        assert read(form, text[:at], text[at:]) == whole, (text[:at], text[at:])
    assert read(form, *text) == whole
    return whole
