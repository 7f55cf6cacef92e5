"""The text of a passage as clients read it."""


def headed_text(title: str, text: str, *, filename: str) -> str:
    """Writes a text as clients read it, below its headings: "Ten days." alone says nothing.

    A document without headings is titled by its name, which clients have already.
    """
    return text if title in ("", filename) else f"{title}\n{text}"
