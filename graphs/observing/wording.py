"""How hits and texts are told to people who ask why an answer was what it was."""

from graphs.findings import FoundHit

_SHOWN_CHARS = 200  # of one text


def quoted(text: str) -> str:
    """Gives the beginning of a text in quotation marks, behind a space; nothing for no text."""
    return f" {short(text)!r}" if text else ""


def short(text: str) -> str:
    """Gives the beginning of a text."""
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}..."


def ranks(hit: FoundHit) -> str:
    """Tells by which searches a hit was found."""

    def told(name: str, rank: int | None, score: float | None) -> str:
        if rank is None or score is None:
            return f"not by {name}"
        return f"{name} {rank}. with {score:.3f}"

    return (
        f"{told('meaning', hit.dense_rank, hit.dense_score)}, "
        f"{told('words', hit.lexical_rank, hit.lexical_score)}"
    )
