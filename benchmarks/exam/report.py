"""The exam's table, and transcripts for people to read."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from benchmarks.exam.asking import Transcript
from benchmarks.exam.questions import FIRST_KINDS, HALVES, KINDS, OWN_DOCUMENTS

OVERALL = "all but the first two"
_COLUMNS = ("asked", "right", "false", "complete", "cited", "declined", "found")


def numbers(transcripts: Iterable[Transcript]) -> dict[str, dict[str, dict[str, int]]]:
    """Return the counts of each half and kind, and of all kinds but those of the first exam."""
    groups: dict[tuple[str, str], list[Transcript]] = defaultdict(list)
    for item in transcripts:
        groups[item.question.half, item.question.kind].append(item)
        if item.question.kind not in FIRST_KINDS:
            groups[item.question.half, OVERALL].append(item)
    return {
        half: {
            kind: _counts(groups[half, kind]) for kind in (*KINDS, OVERALL) if groups[half, kind]
        }
        for half in (*HALVES, *OWN_DOCUMENTS)
        if any(asked == half for asked, _ in groups)
    }


def _counts(items: Sequence[Transcript]) -> dict[str, int]:
    verdicts = [item.verdict for item in items]
    return {
        "asked": len(items),
        "right": sum(verdict.right for verdict in verdicts),
        "false": sum(verdict.false for verdict in verdicts),
        "complete": sum(bool(item.question.facts) and item.verdict.complete for item in items),
        "cited": sum(verdict.cited for verdict in verdicts),
        "declined": sum(verdict.declined for verdict in verdicts),
        "found": sum(bool(item.found) for item in items),
    }


def table(counted: dict[str, dict[str, dict[str, int]]]) -> str:
    """Return a Markdown table: a row for each half and kind."""
    lines = [
        "| half | kind | " + " | ".join(_COLUMNS) + " | share right |",
        "|---" * (len(_COLUMNS) + 3) + "|",
    ]
    for half, kinds in counted.items():
        for kind, row in kinds.items():
            cells = " | ".join(str(row[column]) for column in _COLUMNS)
            name = kind.replace("_", " ")
            lines.append(f"| {half} | {name} | {cells} | {row['right'] / row['asked']:.2f} |")
    return "\n".join(lines)


def excerpts(transcripts: Sequence[Transcript], count: int) -> str:
    """Return some transcripts as a Markdown table: of kind after kind, right and not in turn."""
    chosen: list[Transcript] = []
    left = list(transcripts)
    while left and len(chosen) < count:
        for kind in KINDS:
            wanted = len(chosen) % 2 == 0
            of_kind = [item for item in left if item.question.kind == kind]
            fitting = [item for item in of_kind if item.verdict.right == wanted] or of_kind
            if fitting:
                chosen.append(fitting[0])
                left.remove(fitting[0])
    rows = [_row(item) for item in chosen[:count]]
    return "\n".join(["| kind | question | answer |", "|---|---|---|", *rows])


def _row(item: Transcript) -> str:
    said = [text for pair in zip(item.question.turns, item.answers, strict=True) for text in pair]
    verdict = "" if item.verdict.right else f" (not right: {_reason(item)})"
    question = "<br>".join(map(_cell, said[:-1]))
    kind = item.question.kind.replace("_", " ")
    return f"| {kind} | {question} | {_cell(item.answers[-1])}{verdict} |"


def _reason(item: Transcript) -> str:
    question, verdict = item.question, item.verdict
    if question.expect != "answer":
        return "no document tells" if question.expect == "decline" else "nothing was asked"
    asked = ", ".join(spellings[0] for spellings in question.facts)
    if not verdict.complete or verdict.false:
        return f"asked for {asked}"
    return (
        f"cites {', '.join(sorted(set(item.cited))) or 'nothing'}" if not verdict.cited else "long"
    )


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
