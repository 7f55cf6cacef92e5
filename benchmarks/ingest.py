"""Measure the bulk load against the bare embedder, on the same passages, in one run.

The documents are the written ones of training/documents, as Markdown files; further copies have
their sentences in another order. The load is `python -m graphs.commands.ingest` into an empty
SQLite corpus, once before and once after the bare embedder: one process that embeds the same
passages in one call, with every core and the better of two batch sizes. Neither counts the loading
of models or, for the load, the start of Ray; the table tells that as well.

    python -m benchmarks.ingest [--copies 1] [--config local.yaml] [--out ingest.json]
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

from graphs.commands.served import read_served
from index.catalog.catalog import Catalog
from index.records import Chunking, titled_text

ROOT = Path(__file__).parents[1]
DOCUMENTS = ROOT / "models" / "bundled" / "training" / "documents"
LARGE_BATCH = 128
WANTED = 0.8


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs both and prints the table; 1 if the load is slower than wanted."""
    options = _options(arguments)
    if options.bare:
        print(json.dumps(bare(options.config, options.bare)))
        return 0
    with tempfile.TemporaryDirectory(prefix="rf") as made:
        report = measure(options, Path(made))
    print_report(report)
    if options.out:
        options.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0 if report["ratio"] >= WANTED else 1


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--copies", type=int, default=1, help="of the 641 documents")
    parser.add_argument("--config", type=Path, default=ROOT / "local.yaml", help="Serve config")
    parser.add_argument("--max-chunk-tokens", type=int, help="of a passage; else the config's")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    parser.add_argument("--bare", type=Path, help=argparse.SUPPRESS)  # what its child runs
    return parser.parse_args(arguments)


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Embeds the passages alone between two loads of the documents."""
    num_documents = write_documents(folder / "docs", options.copies)
    first = load(options, folder, folder / "first.db")
    texts = stored_texts(folder / "first.db")
    (folder / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
    rates = _bare_in_child(options.config, folder / "texts.json")
    second = load(options, folder, folder / "second.db")
    rate = (first["chunks_per_s"] + second["chunks_per_s"]) / 2
    return {
        "num_cpus": os.cpu_count(),
        "num_documents": num_documents,
        "num_chunks": len(texts),
        "num_words": sum(len(text.split()) for text in texts),
        "bare_chunks_per_s": rates,
        "loads": [first, second],
        "load_chunks_per_s": rate,
        "ratio": rate / max(rates.values()),
    }


def write_documents(folder: Path, num_copies: int) -> int:
    """Writes the documents as Markdown files; gives their number."""
    folder.mkdir()
    number = 0
    for copy in range(num_copies):
        rng = random.Random(copy)
        for path in sorted(DOCUMENTS.glob("*.txt")):
            for text in _documents_in(path.read_text(encoding="utf-8"), rng if copy else None):
                (folder / f"{number:05}.md").write_text(text, encoding="utf-8")
                number += 1
    return number


def _documents_in(text: str, rng: random.Random | None) -> Iterator[str]:
    """Documents as Markdown; with a generator, the sentences of a section are shuffled."""
    lines = [line.strip().split(" ", 1) for line in text.splitlines()]
    marked = [(one[0], one[1]) for one in lines if len(one) == 2 and one[0] in ("T:", "H:", "S:")]
    parts: list[str] = []
    for mark, group in groupby(marked, key=lambda one: one[0]):
        words = [one[1] for one in group]
        if mark == "T:":
            if parts:
                yield "\n\n".join(parts)
            parts = [f"# {words[0]}"]
        elif mark == "H:":
            parts += [f"## {words[-1]}"]
        else:
            if rng:
                rng.shuffle(words)
            parts += [" ".join(words)]
    yield "\n\n".join(parts)


def load(options: argparse.Namespace, folder: Path, database: Path) -> dict[str, Any]:
    """Runs the command into an empty corpus; gives its report without its failures."""
    url = f"sqlite:///{database}"
    chunking = options.max_chunk_tokens and Chunking(max_chunk_tokens=options.max_chunk_tokens)
    catalog = Catalog(url)
    catalog.create_store(name="benchmark", chunking=chunking or None)
    catalog.close()
    command: list[str | Path] = ["-m", "graphs.commands.ingest", folder / "docs"]
    command += ["--store", "benchmark", "--config", options.config.absolute()]
    command += ["--report", folder / "report.json"]
    environment = {**os.environ, "RAGFLEET_DATABASE_URL": url}
    environment.pop("RAY_ADDRESS", None)
    subprocess.run([sys.executable, *command], cwd=ROOT, env=environment, check=True)
    report: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    del report["failures"]
    return report


def stored_texts(database: Path) -> list[str]:
    """All passages, as the embedder was given them."""
    catalog = Catalog(f"sqlite:///{database}")
    texts: list[str] = []
    number = 0
    while changes := catalog.changes_since(number):
        texts += [titled_text(passage) for one in changes for passage in one.passages]
        number = changes[-1].number
    catalog.close()
    return texts


def _bare_in_child(config: Path, texts: Path) -> dict[str, float]:
    command: list[str | Path] = [
        "-m",
        "benchmarks.ingest",
        "--config",
        config.absolute(),
        "--bare",
        texts,
    ]
    answer = subprocess.run(
        [sys.executable, *command], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    )
    rates: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return rates


def bare(config: Path, texts_file: Path) -> dict[str, float]:
    """Passages a second of the embedder alone, with every core, by batch size."""
    from deployments.state import models_folder
    from models.device import Share
    from models.embedder import Embedder

    texts = json.loads(texts_file.read_text(encoding="utf-8"))
    served = read_served(config)
    share = Share(num_gpus=served.num_gpus, num_cpus=os.cpu_count())
    rates: dict[str, float] = {}
    for size in (served.embedder.batch_size, LARGE_BATCH):
        batched = replace(served.embedder, batch_size=size)
        embedder = Embedder(batched, cache=models_folder(), share=share)
        embedder.embed(texts[: 2 * size])  # what only the first call costs
        start = time.perf_counter()
        embedder.embed(texts)
        rates[f"batch {size}"] = len(texts) / (time.perf_counter() - start)
    return rates


def print_report(report: dict[str, Any]) -> None:
    """Prints the figures as a table."""
    rows = [(f"bare embedder, {size}", rate) for size, rate in report["bare_chunks_per_s"].items()]
    for number, one in enumerate(report["loads"], start=1):
        rows.append((f"load {number}", one["chunks_per_s"]))
        rows.append((f"load {number}, with its start", report["num_chunks"] / one["elapsed_s"]))
    print(
        f"{report['num_documents']} documents, {report['num_chunks']} passages of "
        f"{report['num_words'] / report['num_chunks']:.0f} words, {report['num_cpus']} CPUs\n"
    )
    print("| what | passages/s |\n|---|---|")
    for name, rate in rows:
        print(f"| {name} | {rate:.1f} |")
    shares = report["loads"][-1]["shares"]
    print("\ntime: " + ", ".join(f"{stage} {share:.1%}" for stage, share in shares.items()))
    print(f"load / bare: {report['ratio']:.2f} (wanted: at least {WANTED})")


if __name__ == "__main__":
    raise SystemExit(main())
