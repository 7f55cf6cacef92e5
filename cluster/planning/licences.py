"""What the licences of models allow, by the names that model cards give them."""

from typing import Literal

Commercial = Literal["yes", "conditions", "no", "not known"]

_FREE = frozenset(
    ("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "isc", "cc0-1.0", "cc-by-4.0", "bsl-1.0")
)
_PREFIXES_OF_CONDITIONS = ("llama", "gemma", "openrail", "bigscience", "creativeml", "cc-by-sa")
_MARKS_OF_NO = ("-nc", "noncommercial", "non-commercial", "research")


def commercial_use(licence: str | None) -> Commercial:
    """Whether a licence allows commercial use; no advice of a lawyer."""
    if licence is None:
        return "not known"
    if any(mark in licence for mark in _MARKS_OF_NO):
        return "no"
    if licence in _FREE:
        return "yes"
    return "conditions" if licence.startswith(_PREFIXES_OF_CONDITIONS) else "not known"
