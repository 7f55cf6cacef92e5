"""The labelled retrieval set: documents, questions, and which passage answers which question.

A label is a document with a quoted span of its text, so it holds for any chunking: a passage is
relevant if it covers at least half of a span. See `data/retrieval/README.md`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import tantivy

from index.chunk import TokenSpans, chunk
from index.document import Document
from index.parse import parse
from index.records import ChunkDraft, Chunking, Passage, titled_text

DATA = Path(__file__).resolve().parent / "data" / "retrieval"
COVERED = 0.5  # of a span's characters: then a passage holds what matters of it
PARAPHRASE = 0.25  # at most this share of a paraphrase's content words stands in its passages
Split = Literal["dev", "test"]

# Words that ask or bind and say nothing about the subject; what remains are content words.
STOP_WORDS = frozenset(
    "a about after again all also although am an and any anyone anything are as at be because been "
    "before being both but by can cannot could d did do does doing don done down each either else "
    "ever every few for from get gets getting give given go goes going got had has have having he "
    "her here him his how i if in into is it its itself just like ll m make makes many may me might "
    "more most much must my need needs neither never no nobody none nor not nothing now of off on "
    "once one only or other others our out over own re s same say says see shall she should since so "
    "some somebody someone something still such t take takes tell than that the their them then "
    "there these they thing things this those though through to too until up us use used using ve "
    "very want wants was we were what whatever when where whether which while who whom whose why will "
    "with within without won would yet you your".split()
)


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """A span of a document's plain text that answers a question; it stands there once."""

    document: str
    span: str


@dataclass(frozen=True, kw_only=True)
class LabelledQuestion:
    """A question with everything in the set that answers it.

    Attributes:
        question: as a user would type it.
        evidence: each span answers it, or a good part of it; the first is the best.
        paraphrase: whether it shares few content words with the passages that answer it.
    """

    question: str
    evidence: tuple[Evidence, ...]
    paraphrase: bool

    @property
    def split(self) -> Split:
        """One question in three is for choosing settings; a hash of its text decides."""
        return "dev" if hashlib.sha256(self.question.encode()).digest()[0] % 3 == 0 else "test"

    @property
    def source(self) -> str:
        """Whose documentation answers it."""
        return self.evidence[0].document.split("/")[0]


def read_questions() -> list[LabelledQuestion]:
    """Return the questions in the order of the file."""
    lines = (DATA / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    return [
        LabelledQuestion(
            question=row["question"],
            evidence=tuple(Evidence(**one) for one in row["evidence"]),
            paraphrase=row["paraphrase"],
        )
        for row in map(json.loads, lines)
    ]


def read_documents() -> dict[str, Document]:
    """Parse every document; its name is `<source>/<page>.html`."""
    files = sorted((DATA / "documents").rglob("*.html"))
    return {f"{file.parent.name}/{file.name}": parse(file.name, file.read_bytes()) for file in files}


def cut(
    documents: Mapping[str, Document], chunking: Chunking, spans: TokenSpans
) -> Iterator[Passage]:
    """Cut documents as the Ingester does; chunk ids count from 0, files are named as documents."""
    chunk_id = 0
    for name, document in documents.items():
        for draft in chunk(document, chunking, spans):
            yield _passage(name, chunk_id, draft)
            chunk_id += 1


def relevant(
    question: LabelledQuestion, documents: Mapping[str, Document], passages: Sequence[Passage]
) -> frozenset[int]:
    """Return the chunk ids of the passages that cover half of a span, or else most of it."""
    found: set[int] = set()
    for one in question.evidence:
        start = documents[one.document].text.index(one.span)
        end = start + len(one.span)
        shares = {
            passage.chunk_id: max(0, min(end, passage.char_end) - max(start, passage.char_start))
            / len(one.span)
            for passage in passages
            if passage.file_id == one.document
        }
        enough = min(COVERED, max(shares.values()))
        found.update(chunk_id for chunk_id, share in shares.items() if share >= enough)
    return frozenset(found)


def shared_words(question: str, passages: Sequence[Passage]) -> float:
    """Return the largest share of the question's content words that one passage holds, stemmed."""
    asked = content_words(question)
    held = (asked & content_words(titled_text(passage)) for passage in passages)
    return max(len(words) for words in held) / max(1, len(asked))


def content_words(text: str) -> frozenset[str]:
    """Return the stems of a text's words but stop words."""
    plain = [word for word in _words().analyze(text) if word not in STOP_WORDS]
    return frozenset(_stems().analyze(" ".join(plain)))


def _passage(name: str, chunk_id: int, draft: ChunkDraft) -> Passage:
    return Passage(
        chunk_id=chunk_id,
        store_id="set",
        file_id=name,
        filename=name,
        title=draft.title,
        text=draft.text,
        char_start=draft.char_start,
        char_end=draft.char_end,
        page=draft.page,
    )


@cache
def _words() -> Any:
    return tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple()).filter(
        tantivy.Filter.lowercase()
    ).build()  # fmt: skip


@cache
def _stems() -> Any:
    return tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).filter(
        tantivy.Filter.stemmer("english")
    ).build()  # fmt: skip
