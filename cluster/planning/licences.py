"""What the licences of models allow, by the names that model cards give them."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml

Commercial = Literal["yes", "conditions", "no", "not known"]

_FREE = frozenset(
    (
        "apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "isc", "cc0-1.0", "cc-by-4.0",
        "bsl-1.0", "zlib", "unlicense", "0bsd", "wtfpl",
    )
)  # fmt: skip
_PREFIXES_OF_CONDITIONS = ("llama", "gemma", "openrail", "bigscience", "creativeml", "cc-by-sa")
_MARKS_OF_NO = ("-nc", "noncommercial", "non-commercial", "research")
_FRONT = re.compile(r"\A---\s*\n(.*?)^---\s*$", re.DOTALL | re.MULTILINE)
_ALTERNATIVE = " / "


def commercial_use(licence: str | None) -> Commercial:
    """Whether a licence allows commercial use; no advice of a lawyer.

    Of several, as `card_licence` joins them, the strictest counts: which part is under which, a
    card does not say.
    """
    found: list[Commercial] = [_of_one(one) for one in (licence or "").split(_ALTERNATIVE)]
    order: tuple[Commercial, ...] = ("no", "not known", "conditions", "yes")
    return min(found, key=order.index)


def _of_one(licence: str) -> Commercial:
    if any(mark in licence for mark in _MARKS_OF_NO):
        return "no"
    if licence in _FREE:
        return "yes"
    return "conditions" if licence.startswith(_PREFIXES_OF_CONDITIONS) else "not known"


def card_licence(folder: Path, name: str) -> str | None:
    """From the front matter of the model card; what is bundled has the repository's own.

    `license: other` stands for the name beside it. Several are joined by ` / `.
    """
    if name.startswith("bundled:"):
        return "apache-2.0"
    card = folder / "README.md"
    try:
        front = _FRONT.match(card.read_text(errors="replace")) if card.is_file() else None
        told = yaml.safe_load(front[1]) if front else None
    except (OSError, yaml.YAMLError, ValueError):
        return None
    names = _named(told) if isinstance(told, Mapping) else []
    return _ALTERNATIVE.join(names) or None


def _named(told: Mapping[str, Any]) -> list[str]:
    given = told.get("license")
    names = [str(one).strip().lower() for one in (given if isinstance(given, list) else [given])]
    own = str(told.get("license_name") or "").strip().lower()
    if own:
        names = [own if one in ("other", "none") else one for one in names]
    return [one for one in names if one not in ("", "none")]
