"""The questions of the exam, as they lie in `benchmarks/data/exam`.

`dev.jsonl` and `test.jsonl` are its halves. `tuning.jsonl` and `fresh.jsonl` ask about documents of
their own, by other hands: thresholds and weights are chosen on the first, since the rules were
written with dev; the second tells what a change does to questions that it was not written for.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

EXAM = Path(__file__).resolve().parents[1] / "data" / "exam"
HALVES = ("dev", "test")  # the first may be tuned on, the second is only measured
OWN_DOCUMENTS = ("tuning", "fresh")  # sets over documents of their own, in a folder so named
# Those of the first exam, one fact or none; the overall share leaves them out.
FIRST_KINDS = ("single", "absent")
KINDS = (
    *FIRST_KINDS,
    "two_facts",
    "two_documents",
    "list",
    "table",
    "identifier",
    "follow_up",
    "versions",
    "near_miss",
    "misspelt",
    "other_language",
    "yes_no",
)
MAX_WORDS = 120


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question, or a conversation that ends in it, and what a right answer must be.

    Attributes:
        id: kind, half and number.
        turns: what the user says, in order; only the answer to the last one is judged.
        documents: file names; the answer cites each of them.
        also: further files that it may cite, such as last year's prices.
        facts: the answer holds each of them, in any one of its spellings.
        wrong: what a right answer does not hold, such as last year's price.
        labels: what tells facts and `wrong` apart, such as "2024", "N9-14" (a column): beside one
            of them and all facts, what is `wrong` may stand.
        expect: `answer`, `decline`, or `chat` for a turn that asks for nothing.
    """

    id: str
    kind: str
    half: str
    turns: tuple[str, ...]
    documents: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    facts: tuple[tuple[str, ...], ...] = ()
    wrong: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    expect: str = "answer"
    max_words: int = MAX_WORDS


def read_questions(halves: Sequence[str] = HALVES, kinds: Sequence[str] = KINDS) -> list[Question]:
    """Return the questions of these halves and kinds, in the order of the files."""
    rows = [
        json.loads(line)
        for half in halves
        for line in (EXAM / f"{half}.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    return [
        Question(
            id=row["id"],
            kind=row["kind"],
            half=row["half"],
            turns=tuple(row["turns"]),
            documents=tuple(row["documents"]),
            facts=tuple(map(tuple, row["facts"])),
            wrong=tuple(row["wrong"]),
            also=tuple(row.get("also", ())),
            labels=tuple(row.get("labels", ())),
            expect=row.get("expect", "answer" if row["documents"] else "decline"),
            max_words=row.get("max_words", MAX_WORDS),
        )
        for row in rows
        if row["kind"] in kinds
    ]
