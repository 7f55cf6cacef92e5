"""Measure retrieval: speed, recall, memory and restart, each as a ratio within one run.

    python -m benchmarks.search --passages 1000000

What a Retriever does is compared with bare FAISS and bare tantivy, called in the same process on
the very same indexes, question by question in turn. Bare is what a hybrid search cannot do without:
the 100 nearest vectors and the 100 best passages by BM25, as ids. A search gives the passages:
stores looked up, changes folded, filters applied, rankings fused, texts and attributes read.

Memory is what a process grows by when it makes the indexes: in one the Retriever, in another both
libraries alone. All runs on one thread but for what the Retriever does in the background; pin it to
two cores for the published figures (`taskset -c 0,1`).
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from rich.console import Console
from rich.table import Table

from benchmarks.progress import progress_bar
from benchmarks.search.corpus import Filler, Source
from benchmarks.search.measures import Figures, bare_memory, restart, retriever
from index.catalog.catalog import Catalog

RESTART_PASSAGES = 100_000
# What is measured, how it is printed, and the limit that the project set itself.
ROWS = (
    ("hybrid search, p50", "{search_p50_ms:.2f} ms, bare {bare_p50_ms:.2f} ms", ""),
    ("ratio to bare", "{search_ratio:.2f}", "<= 1.3"),
    ("ratio to bare, processor time", "{search_cpu_ratio:.2f}", "<= 1.3"),
    ("recall@10 of the dense search", "{recall:.3f}", ">= 0.97"),
    ("1 % filter: p50", "{filtered_p50_ms:.2f} ms", ""),
    ("1 % filter: ratio to unfiltered", "{filtered_ratio:.2f}", "<= 3"),
    ("1 % filter: recall@10", "{filtered_recall:.3f}", ">= 0.97"),
    ("memory a passage", "{bytes_a_passage:.0f} bytes, bare {bare_bytes_a_passage:.0f}", ""),
    ("memory, ratio to bare", "{memory_ratio:.2f}", "<= 1.3"),
    ("restart with {restart_passages:,.0f} passages", "{restart_s:.1f} s", "<= 15 s at 100,000"),
    ("restart with all", "{full_restart_s:.1f} s", ""),
    ("commit to searchable, p50 / p99", "{fresh_p50_ms:.0f} / {fresh_p99_ms:.0f} ms", "<= 1 s"),
    ("longest search while lists are made", "{building_max_ms:.0f} ms", ""),
)

T = TypeVar("T")


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the corpus, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--passages", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--questions", type=int, default=300)
    parser.add_argument("--fresh", type=int, default=200, help="documents that are added and found")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--database-url", help="an empty corpus; otherwise SQLite in a temporary folder"
    )
    parser.add_argument("--out", type=Path, help="write the numbers as JSON")
    options = parser.parse_args(arguments)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with TemporaryDirectory() as folder:
        url = options.database_url or f"sqlite:///{folder}/corpus.db"
        figures = measure(url, options)
    print_table(figures, options)
    if options.out:
        options.out.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


def measure(url: str, options: argparse.Namespace) -> Figures:
    """Fill the corpus, and run each part in a process of its own."""
    catalog = Catalog(url)
    source = Source(num_passages=options.passages, dim=options.dim, seed=options.seed)
    filler = Filler(catalog, source, options.questions)
    first = min(RESTART_PASSAGES, options.passages)
    with progress_bar("fill the corpus", options.passages) as advance:
        filler.fill(first, advance)
        figures = {"restart_passages": float(first), "restart_s": alone(restart, url)}
        filler.fill(options.passages, advance)
    figures |= alone(retriever, url, filler.store_id, filler.questions(), options.fresh)
    figures |= alone(bare_memory, url, int(figures["num_lists"]))
    return with_ratios(figures)


def alone(function: Callable[..., T], *arguments: object) -> T:
    """Call a function in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def with_ratios(figures: Figures) -> Figures:
    """Add what is compared."""
    return figures | {
        "search_ratio": figures["search_p50_ms"] / figures["bare_p50_ms"],
        "search_cpu_ratio": figures["search_cpu_p50_ms"] / figures["bare_cpu_p50_ms"],
        "filtered_ratio": figures["filtered_p50_ms"] / figures["search_p50_ms"],
        "memory_ratio": figures["bytes_a_passage"] / figures["bare_bytes_a_passage"],
    }


def print_table(figures: Figures, options: argparse.Namespace) -> None:
    """Print each figure beside its limit."""
    table = Table(title=f"{options.passages:,} passages of {options.dim} dimensions")
    for heading in ("", "measured", "limit"):
        table.add_column(heading)
    for name, measured, limit in ROWS:
        table.add_row(name.format(**figures), measured.format(**figures), limit)
    Console().print(table)


if __name__ == "__main__":
    raise SystemExit(main())
