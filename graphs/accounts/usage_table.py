"""Usage as a file: CSV for spreadsheets, JSON for programs."""

import csv
import io
import json
from collections.abc import Sequence
from typing import Literal

from index.catalog.accounts.records import UsageRecord

COLUMNS = (
    "day", "tenant", "key_id", "model", "num_calls", "num_prompt_tokens", "num_completion_tokens",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what spreadsheets would run


def written(rows: Sequence[UsageRecord], kind: Literal["csv", "json"]) -> str:
    """Writes all rows, with a line of names first (CSV) or as one list (JSON)."""
    told = [{name: getattr(row, name) for name in COLUMNS} for row in rows]
    if kind == "json":
        return json.dumps(told, indent=2) + "\n"
    output = io.StringIO()
    writer = csv.writer(output, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([_cell(value) for value in row.values()] for row in told)
    return output.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value
