"""What programs that publish write above a text: `key: value` between two lines of marks."""

import re
import tomllib
from dataclasses import dataclass
from typing import Any

import yaml

from index.parsing.document import DocumentBuilder, iso_date, one_line

_MAX_CHARS = 20_000
_YAML = re.compile(r"---[ \t]*\n(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_TOML = re.compile(r"\+\+\+[ \t]*\n(.*?)\n\+\+\+[ \t]*(?:\n|\Z)", re.DOTALL)
_LINE = re.compile(r"([A-Za-z_][\w.-]{0,40}):(?:[ \t]+(.*))?")
_MORE_LINES = re.compile(r"[ \t]|-[ \t]|#|\]|\}")
# Keys that only such a block has; one of them makes it one. What they say is for programs.
_MACHINE = frozenset(
    "tags tag categories category layout draft slug permalink aliases alias weight "  # noqa: SIM905
    "sidebar_position "
    "sidebar_label sidebar nav_order parent toc lang locale keywords image cover thumbnail type id "
    "template published status url redirect_from cssclass cssclasses output bibliography publish "
    "comments math license header-includes geometry documentclass "
    "excerpt_separator hide_title".split()
)
_WORDS = {  # what readers look for, by what it is called there
    "title": "title", "subtitle": "subtitle", "description": "description", "summary": "summary",
    "abstract": "abstract", "author": "author", "authors": "author", "date": "date",
    "updated": "updated", "lastmod": "updated", "last_modified_at": "updated",
    "last_updated": "updated", "version": "version",
}  # fmt: skip
_DAYS = ("updated", "date")  # the later one first


@dataclass(frozen=True)
class FrontMatter:
    """The words of such a block by what they are, and the text below it."""

    fields: dict[str, str]
    text: str

    def add_to(self, builder: DocumentBuilder, first_heading: str) -> None:
        """Makes the title a heading, unless the text begins with it, and says the rest below."""
        title = self.fields.get("title", "")
        builder.title = title or builder.title
        builder.date = next((self.fields[key] for key in _DAYS if key in self.fields), builder.date)
        if title and title.casefold() != first_heading.casefold():
            builder.add_heading(0, title)
        for key, value in self.fields.items():
            if key != "title":
                builder.add_block(f"{key.capitalize()}: {value}")


def split_front_matter(text: str) -> FrontMatter:
    """Splits a text; what stands between two rules and has none of the known keys is text."""
    head = text[:_MAX_CHARS]
    found = _YAML.match(head) or _TOML.match(head)
    values = _values(found[1], is_toml=head[0] == "+") if found else {}
    known = {key.lower() for key in values}
    if not found or not known & (_MACHINE | set(_WORDS)) or not all(map(_is_key, values)):
        return FrontMatter({}, text)
    fields: dict[str, str] = {}
    for key, value in values.items():
        name = _WORDS.get(key.lower(), "")
        if name and (words := _words(value)):
            fields.setdefault(name, words)
    return FrontMatter(fields, text[found.end() :])


def _values(block: str, *, is_toml: bool) -> dict[str, Any]:
    try:
        values = tomllib.loads(block) if is_toml else yaml.safe_load(block)
    except (yaml.YAMLError, ValueError, RecursionError):
        values = _by_lines(block)  # a colon in a title without quotes
    return {str(key): value for key, value in values.items()} if isinstance(values, dict) else {}


def _by_lines(block: str) -> dict[str, str]:
    """Reads what is nearly YAML; nothing when a line is no part of it."""
    values = {}
    for line in filter(str.strip, block.split("\n")):
        if pair := _LINE.fullmatch(line):
            values[pair[1]] = (pair[2] or "").strip().strip("\"'")
        elif not _MORE_LINES.match(line):
            return {}
    return values


def _is_key(key: str) -> bool:
    return bool(re.fullmatch(r"[A-Za-z_][\w.-]{0,40}", key))


def _words(value: object) -> str:
    """A value in words: lists of names are joined, whatever is nested more is left out."""
    if isinstance(value, dict):
        value = value.get("name", "")
    if isinstance(value, list):
        value = ", ".join(filter(None, (_words(one) for one in value if not isinstance(one, list))))
    text = one_line(str(value)) if value is not None else ""
    return iso_date(text) or text if text[:4].isdigit() and text[10:11] in ("T", " ") else text
