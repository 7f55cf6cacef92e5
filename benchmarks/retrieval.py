"""Retrieval quality on the shipped labelled set: BM25, dense, hybrid, hybrid + rerank.

    python -m benchmarks.retrieval [--config cluster.yaml] [--out retrieval.json]

It cuts, embeds and indexes the documents of `data/retrieval` with the code and the settings of the
server (a Serve config says which), asks every question of each way to search, and prints how good
the rankings are. No Ray, no HTTP. Settings are chosen on the questions of the split `dev`; the
tables are of those of the split `test`, but for the one that says `dev`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

from benchmarks.labelled.questions import (
    STORE,
    LabelledQuestion,
    by_document,
    cut,
    read_documents,
    read_questions,
    relevant,
)
from benchmarks.labelled.scores import DEPTH, Values, score
from benchmarks.labelled.tables import Means, compare, differences, means, print_table
from deployments.embedder import ServedEmbedders
from deployments.ingester import IngesterConfig
from deployments.reranker import ServedRerankers
from deployments.state import models_folder
from graphs.config import RetrievalSettings
from graphs.pipeline.relevance import named_fitness
from graphs.serve_config.reader import read_serve_config
from index.parsing.document import Document
from index.records import Change, Chunking, StoredPassage, Vectors, titled_text
from index.searching.ranking import find, join
from index.searching.request import Mode, SearchRequest
from index.searching.store_index import StoreIndex
from models.embedder import Embedder, EmbedderConfig
from models.reranker import Reranker, RerankerConfig
from models.tokens import TokenSpans

LOCAL = Path(__file__).resolve().parent.parent / "local.yaml"
MODES: dict[str, Mode] = {"BM25": "lexical", "dense": "dense", "hybrid": "hybrid"}
RERANKED = "hybrid + rerank"
WAYS = (*MODES, RERANKED)
CANDIDATES = (12, 24, 50)
EMBED_BATCH = 256
JUDGED = 3  # passages of each way that the report names for each question


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What of a Serve config decides about the quality of retrieval."""

    chunking: Chunking
    retrieval: RetrievalSettings
    embedder: EmbedderConfig
    reranker: RerankerConfig


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A question with the passages that answer it and the hybrid candidates, scored.

    Attributes:
        rankings: chunk ids, best first, of each way to search that needs no reranker.
        candidates: the first passages of the hybrid search.
        scores: the reranker's, less where another thing is named, float64, (n_candidates,).
    """

    question: LabelledQuestion
    relevant: frozenset[int]
    rankings: dict[str, tuple[int, ...]]
    candidates: tuple[StoredPassage, ...]
    scores: Values


@dataclass(frozen=True, kw_only=True)
class Result:
    """All passages, whose chunk ids are their places, and the questions in their order."""

    passages: list[StoredPassage]
    asked: list[Asked]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, default=LOCAL, help="a Serve config; local.yaml")
    parser.add_argument("--cache", type=Path, default=models_folder())
    parser.add_argument("--chunk-tokens", type=int, help="instead of the config's")
    parser.add_argument("--chunk-overlap-tokens", type=int, help="instead of the config's")
    parser.add_argument("--candidates", type=int, help="reranked passages, instead of the config's")
    parser.add_argument("--shards", type=int, default=1, help="as `retriever_shards` of the config")
    parser.add_argument("--limit", type=int, help="ask only the first questions")
    parser.add_argument("--out", type=Path, help="write the numbers as JSON")
    options = parser.parse_args(arguments)
    settings = read_settings(options)
    result = run(
        settings,
        read_documents(),
        read_questions()[: options.limit],
        embedder=Embedder(settings.embedder, cache=options.cache),
        reranker=Reranker(settings.reranker, cache=options.cache),
        num_shards=options.shards,
    )
    print(f"{len(result.passages)} passages of at most {settings.chunking.max_chunk_tokens} tokens")
    tables = summary(result.asked, settings.retrieval.num_candidates)
    for title, rows in tables.items():
        print_table(title, rows)
    if options.out:
        report = {"passages": len(result.passages), "tables": tables, "top": tops(result)}
        options.out.write_text(json.dumps(report, indent=2, default=asdict) + "\n")
    return 0


def summary(asked: Sequence[Asked], num_candidates: int) -> Means:
    """Return the tables: every group of the test split, the differences, and the candidates."""
    test = [one for one in asked if one.question.split == "test"]
    dev = [one for one in asked if one.question.split == "dev"]
    measured = {way: measure(test, way, num_candidates) for way in WAYS}
    tables = compare([one.question for one in test], measured)
    tables[f"test: {RERANKED} minus"] = differences(measured, RERANKED)
    tables |= compare_candidates(dev)
    return tables


def compare_candidates(dev: Sequence[Asked]) -> Means:
    """Return how good reranking is with fewer and more candidates, on the dev split."""
    by_number = {f"{number} candidates": measure(dev, RERANKED, number) for number in CANDIDATES}
    rows = {"hybrid": measure(dev, "hybrid", 0)} | by_number
    return {f"dev ({len(dev)})": means(rows)}


def measure(asked: Sequence[Asked], way: str, num_candidates: int) -> Values:
    """Return the measures of each question, float64, (n_questions, n_measures)."""
    return np.stack([score(ranking(one, way, num_candidates), one.relevant) for one in asked])


def read_settings(options: argparse.Namespace) -> Settings:
    """Read the settings from the deployments' `user_config` of a Serve config.

    Raises:
        ConfigError: the file has faults.
    """
    config = read_serve_config(options.config)
    cut_by = config.settings("Ingester", IngesterConfig)
    overlap = options.chunk_overlap_tokens
    return Settings(
        chunking=Chunking(
            max_chunk_tokens=options.chunk_tokens or cut_by.max_chunk_tokens,
            chunk_overlap_tokens=cut_by.chunk_overlap_tokens if overlap is None else overlap,
        ),
        retrieval=config.gateway.retrieval.overridden({"num_candidates": options.candidates}),
        embedder=config.settings("Embedder", ServedEmbedders).configs[0],
        reranker=config.settings("Reranker", ServedRerankers).main,
    )


def run(
    settings: Settings,
    documents: Mapping[str, Document],
    questions: Sequence[LabelledQuestion],
    *,
    embedder: Embedder,
    reranker: Reranker,
    num_shards: int = 1,
) -> Result:
    """Index the documents and ask every question."""
    spans = TokenSpans(embedder.tokenizer_json())
    passages = list(cut(documents, settings.chunking, spans))
    grouped = by_document(passages)
    shards = build(passages, embedder, num_shards)
    vectors = embedder.embed([one.question for one in questions], kind="query").vectors
    asked = [
        ask(
            question,
            request=request(question, vector, settings.retrieval),
            shards=shards,
            passages=passages,
            reranker=reranker,
            right=relevant(question, documents, grouped),
        )
        for question, vector in zip(track(questions, "asking"), vectors, strict=True)
    ]
    return Result(passages=passages, asked=asked)


def request(
    question: LabelledQuestion, vector: Vectors, retrieval: RetrievalSettings
) -> SearchRequest:
    """Ask as the pipeline does, for more candidates where their number is to be chosen."""
    wanted = max(CANDIDATES) if question.split == "dev" else retrieval.num_candidates
    return SearchRequest(
        stores=(STORE,),
        text=question.question,
        vector=vector,
        top_k=max(wanted, DEPTH),
        lexical_weight=retrieval.lexical_weight,
        fusion=retrieval.fusion,
    )


def build(
    passages: Sequence[StoredPassage], embedder: Embedder, num_shards: int
) -> list[StoreIndex]:
    """Embed all passages, those of like length together, and fold them into the shards' indexes."""
    by_length = sorted(passages, key=lambda passage: len(passage.text))
    vectors = np.empty((len(passages), embedder.dim), np.float32)
    for start in track(range(0, len(by_length), EMBED_BATCH), "embedding"):
        batch = by_length[start : start + EMBED_BATCH]
        rows = [passage.chunk_id for passage in batch]
        vectors[rows] = embedder.embed([titled_text(passage) for passage in batch]).vectors
    shards = [StoreIndex() for _ in range(num_shards)]
    for number, index in enumerate(shards):
        mine = [passage for passage in passages if passage.chunk_id % num_shards == number]
        files = by_document(mine).values()
        index.apply([_change(file, vectors, embedder.fingerprint) for file in files])
        index.publish()
    return shards


def ask(
    question: LabelledQuestion,
    *,
    request: SearchRequest,
    shards: Sequence[StoreIndex],
    passages: Sequence[StoredPassage],
    reranker: Reranker,
    right: frozenset[int],
) -> Asked:
    """Search in every mode and score the hybrid hits."""
    found = {
        way: _search(shards, replace(request, mode=mode))[: request.top_k]
        for way, mode in MODES.items()
    }
    candidates = tuple(passages[chunk_id] for chunk_id in found["hybrid"])
    scored = reranker.rerank(question.question, [titled_text(one) for one in candidates])
    return Asked(
        question=question,
        relevant=right,
        rankings=found,
        candidates=candidates,
        scores=scored.scores * named_fitness(question.question, candidates),
    )


def _search(shards: Sequence[StoreIndex], request: SearchRequest) -> tuple[int, ...]:
    found = [find([index], request) for index in shards]
    return tuple(join(found, request).fused)


def ranking(asked: Asked, way: str, num_candidates: int) -> tuple[int, ...]:
    """Return the chunk ids that a way to search finds, best first."""
    if way != RERANKED:
        return asked.rankings[way]
    order = np.argsort(-asked.scores[:num_candidates], kind="stable").tolist()
    return tuple(asked.candidates[place].chunk_id for place in order)


def tops(result: Result) -> list[dict[str, Any]]:
    """Return the first passages that each way finds, to be judged by eye.

    A passage that answers and bears no label makes every way look worse than it is, and most the
    best one: judge those of all ways alike, and add their spans to the set.
    """
    return [
        {
            "question": one.question.question,
            "relevant": sorted(one.relevant),
            "found": {way: ranking(one, way, len(one.candidates))[:JUDGED] for way in WAYS},
        }
        for one in result.asked
    ]


def _change(file: Sequence[StoredPassage], vectors: Vectors, fingerprint: str) -> Change:
    return Change(
        number=file[0].chunk_id,
        kind="upsert",
        store_id=STORE,
        file_id=file[0].file_id,
        filename=file[0].filename,
        fingerprint=fingerprint,
        passages=tuple(file),
        vectors=vectors[[passage.chunk_id for passage in file]],
    )


if __name__ == "__main__":
    raise SystemExit(main())
