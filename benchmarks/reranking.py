"""Compare a reranker's order with the embedder's on the exam's single facts and their documents.

    python -m benchmarks.reranking

Every document is parsed and cut as the server does it; the embedder's best passages of each
question are scored by the reranker. A passage is right if it is of the asked document and holds
the asked fact.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.exam.documents import DOCUMENTS
from benchmarks.exam.judge import states
from benchmarks.exam.questions import FIRST_KINDS, Question, read_questions
from benchmarks.safety import auroc
from deployments.state import models_folder
from index.chunk import chunk
from index.parsing.parse import parse
from index.records import Chunking
from models.bundled.prepare import prepare
from models.embedder import Embedder, EmbedderConfig
from models.reranker import Reranker, RerankerConfig

Scores = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Passage:
    """A passage of a document, and the name of its file."""

    filename: str
    text: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table of both orders, and how well the best score tells whether there is one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=models_folder())
    parser.add_argument("--reranker", type=Path, help="a cross-encoder's folder; the bundled one")
    parser.add_argument("--candidates", type=int, default=12, help="passages that are reranked")
    parser.add_argument("--chunk-tokens", type=int, default=48, help="as in local.yaml")
    parser.add_argument("--show", action="store_true", help="print the questions that got worse")
    parser.add_argument("--out", type=Path, help="write the numbers as JSON")
    options = parser.parse_args(arguments)
    sources, titles = passages(options.cache, options.chunk_tokens)
    questions = read_questions(kinds=FIRST_KINDS)
    similarity = similarities(options.cache, questions, sources, titles)
    nearest = np.argsort(-similarity, axis=1)[:, : options.candidates]
    folder = options.reranker and str(options.reranker.resolve())
    config = RerankerConfig(model=folder or "bundled:reranker")
    texts = [f"{title}\n{source.text}" for title, source in zip(titles, sources, strict=True)]
    scores = rerank(Reranker(config, cache=options.cache), questions, texts, nearest)
    dense = np.take_along_axis(similarity, nearest, axis=1)
    report = {
        name: numbers(questions, sources, nearest, values)
        for name, values in (("embedder", dense), ("reranker", scores))
    }
    print_report(report)
    if options.show:
        show(questions, sources, nearest, dense=dense, scores=scores)
    if options.out:
        options.out.write_text(json.dumps(report, indent=2) + "\n")
    return 0


def passages(cache: Path, chunk_tokens: int) -> tuple[list[Passage], list[str]]:
    """Return the passages of all documents and their titles."""
    from tokenizers import Tokenizer

    encode = Tokenizer.from_file(str(prepare("embedder", cache) / "tokenizer.json"))
    encode.no_truncation()
    encode.no_padding()

    def spans(text: str) -> list[tuple[int, int]]:
        return list(encode.encode(text, add_special_tokens=False).offsets)

    sources, titles = [], []
    chunking = Chunking(max_chunk_tokens=chunk_tokens, chunk_overlap_tokens=0)
    for file in sorted((DOCUMENTS / "single").iterdir()):
        for draft in chunk(parse(file.name, file.read_bytes()), chunking, spans):
            sources.append(Passage(filename=file.name, text=draft.text))
            titles.append(draft.title or file.name)
    return sources, titles


def similarities(
    cache: Path, questions: Sequence[Question], sources: Sequence[Passage], titles: Sequence[str]
) -> Scores:
    """Return the cosine similarities, float32, (n_questions, n_passages)."""
    model = Embedder(EmbedderConfig(model="bundled:embedder"), cache=cache)
    texts = [f"{title}\n{source.text}" for title, source in zip(titles, sources, strict=True)]
    asked = model.embed([item.turns[-1] for item in questions], kind="query").vectors
    found: Scores = asked @ model.embed(texts).vectors.T
    return found


def rerank(
    model: Reranker, questions: Sequence[Question], texts: Sequence[str], nearest: NDArray[np.int64]
) -> Scores:
    """Return the reranker's scores of the nearest passages, (n_questions, n_candidates)."""
    scores = [
        model.rerank(question.turns[-1], [texts[passage] for passage in row]).scores
        for question, row in zip(questions, nearest.tolist(), strict=True)
    ]
    return np.stack(scores)


def rank(
    question: Question, sources: Sequence[Passage], row: NDArray[np.int64], values: Scores
) -> int | None:
    """Return the place, from 1, of the best right passage, or None if it is not among them."""
    order = row[np.argsort(-values, kind="stable")].tolist()
    right = [place for place, passage in enumerate(order, 1) if holds(question, sources[passage])]
    return right[0] if right else None


def holds(question: Question, passage: Passage) -> bool:
    """Say whether a passage is of the asked document and holds the asked fact."""
    of_document = passage.filename in question.documents
    return of_document and any(states(passage.text, fact) for fact in question.facts)


def numbers(
    questions: Sequence[Question],
    sources: Sequence[Passage],
    nearest: NDArray[np.int64],
    values: Scores,
) -> dict[str, float]:
    """Return how often the right passage is first, in the first four, and the mean of 1 / place."""
    asked = np.array([bool(question.documents) for question in questions])
    rows = zip(questions, nearest, values, strict=True)
    places = [rank(q, sources, row, value) for q, row, value in rows if q.documents]
    best = values.max(axis=1)
    steps = np.unique(best)
    fits = [float(((best >= step) == asked).mean()) for step in steps]
    return {
        "questions": len(places),
        "first": float(np.mean([place == 1 for place in places])),
        "in the first four": float(np.mean([place is not None and place <= 4 for place in places])),
        "mean reciprocal rank": float(np.mean([1 / place if place else 0.0 for place in places])),
        "answerable or not, AUROC": auroc(asked, best),
        "best threshold": float(steps[int(np.argmax(fits))]),
        "answerable or not at it, right": max(fits),
    }


def print_report(report: dict[str, dict[str, float]]) -> None:
    """Print the numbers, a column for each order."""
    print("| | " + " | ".join(report) + " |\n|---|" + "---|" * len(report))
    for name in next(iter(report.values())):
        print(f"| {name} | " + " | ".join(f"{row[name]:.3f}" for row in report.values()) + " |")


def show(
    questions: Sequence[Question],
    sources: Sequence[Passage],
    nearest: NDArray[np.int64],
    *,
    dense: Scores,
    scores: Scores,
) -> None:
    """Print each question with both places and the best score."""
    for question, row, old, new in zip(questions, nearest, dense, scores, strict=True):
        places = [rank(question, sources, row, values) for values in (old, new)]
        print(f"{places[0]} -> {places[1]}  {old.max():.2f} {new.max():.2f}  {question.turns[-1]}")


if __name__ == "__main__":
    raise SystemExit(main())
