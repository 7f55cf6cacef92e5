"""Source code and configuration: listings under the names of what they define."""

import re

from index.parsing.document import Document
from index.parsing.parse_source import Source

# A definition at the start of a line, in the languages of the table of extensions: some words that
# qualify it, one that says what it is, its name. Go puts a method's receiver before the name.
_DEFINITION = re.compile(
    r"(?:(?:export|default|public|private|protected|internal|static|final|abstract|sealed|async"
    r"|pub(?:\([a-z]+\))?|unsafe|open|data|partial|override|inline|CREATE(?:\s+OR\s+REPLACE)?)\s+)*"
    r"(?:class|def|func|function\*?|fn|fun|struct|enum|trait|impl(?:<[^>]*>)?|interface|module"
    r"|namespace|record|object|protocol|extension|type|sub|TABLE|VIEW|FUNCTION|PROCEDURE|TRIGGER)\s+"
    r"(?:\([^)]*\)\s*)?([\w$.:<>\"`-]+)"
)
# What stands right above a definition and belongs to it: comments, decorators, attributes.
_ATTACHED = re.compile(r"(?:#|//|/\*|\s*\*|@|--|\[|///|%|\"\"\")")


def parse_code(source: Source) -> Document:
    """Reads a listing: one block for each definition at its top level, and what lies between."""
    builder = source.builder()
    lines = source.text().split("\n")
    starts = _definitions(lines)
    ends = [start for start, _ in starts] + [len(lines)]
    builder.add_code("\n".join(lines[: ends[0]]))
    for (start, name), end in zip(starts, ends[1:], strict=True):
        builder.add_heading(1, name)
        builder.add_code("\n".join(lines[start:end]))
    return builder.build()


def _definitions(lines: list[str]) -> list[tuple[int, str]]:
    """The line where each top-level definition starts, what is attached above it included."""
    found = []
    end_of_last = 0
    for number, line in enumerate(lines):
        if match := _DEFINITION.match(line):
            start = number
            while start > end_of_last and _ATTACHED.match(lines[start - 1]):
                start -= 1
            found.append((start, match[1].strip('"`:<')))
            end_of_last = number + 1
    return found
