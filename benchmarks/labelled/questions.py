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
from index.parsing.document import Document
from index.parsing.parse import parse
from index.records import ChunkDraft, Chunking, StoredPassage, titled_text

DATA = Path(__file__).resolve().parents[1] / "data" / "retrieval"
STORE = "set"
COVERED = 0.5  # of a span's characters: then a passage holds what matters of it
PARAPHRASE = 0.3  # at most this share of a paraphrase's content words stands in its passages
Split = Literal["dev", "test"]


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
    return {
        f"{file.parent.name}/{file.name}": parse(file.name, file.read_bytes()) for file in files
    }


def cut(
    documents: Mapping[str, Document], chunking: Chunking, spans: TokenSpans
) -> Iterator[StoredPassage]:
    """Cut documents as the Ingester does; chunk ids count from 0, files are named as documents."""
    chunk_id = 0
    for name, document in documents.items():
        for draft in chunk(document, chunking, spans):
            yield _passage(name, chunk_id, draft)
            chunk_id += 1


def by_document(passages: Sequence[StoredPassage]) -> dict[str, list[StoredPassage]]:
    """Group passages by the document they are of."""
    grouped: dict[str, list[StoredPassage]] = {}
    for passage in passages:
        grouped.setdefault(passage.file_id, []).append(passage)
    return grouped


def relevant(
    question: LabelledQuestion,
    documents: Mapping[str, Document],
    passages: Mapping[str, Sequence[StoredPassage]],
) -> frozenset[int]:
    """Return the chunk ids of the passages that answer a question.

    Args:
        question: the question with its spans.
        documents: the documents by name.
        passages: the passages of each document.

    Returns:
        Those that cover half of a span, or, if none does, most of it.
    """
    found: set[int] = set()
    for one in question.evidence:
        start = documents[one.document].text.index(one.span)
        end = start + len(one.span)
        covered = {
            passage.chunk_id: min(end, passage.char_end) - max(start, passage.char_start)
            for passage in passages[one.document]
        }
        enough = min(COVERED * len(one.span), max(covered.values()))
        found.update(chunk_id for chunk_id, chars in covered.items() if chars >= enough)
    return frozenset(found)


def shared_words(question: str, passages: Sequence[StoredPassage]) -> float:
    """Return the largest share of the question's content words that one passage holds, stemmed."""
    asked = content_words(question)
    held = (asked & content_words(titled_text(passage)) for passage in passages)
    return max(len(words) for words in held) / max(1, len(asked))


def content_words(text: str) -> frozenset[str]:
    """Return the stems of a text's words, but of those that say nothing about a subject."""
    plain = [word for word in _words().analyze(text) if word not in _stop_words()]
    return frozenset(_stems().analyze(" ".join(plain)))


def _passage(name: str, chunk_id: int, draft: ChunkDraft) -> StoredPassage:
    return StoredPassage(
        chunk_id=chunk_id,
        store_id=STORE,
        file_id=name,
        filename=name,
        title=draft.title,
        text=draft.text,
        char_start=draft.char_start,
        char_end=draft.char_end,
        page=draft.page,
    )


@cache
def _stop_words() -> frozenset[str]:
    return frozenset((DATA / "stop_words.txt").read_text(encoding="utf-8").split())


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
