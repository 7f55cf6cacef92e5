"""The exam: hand-written documents and questions, asked over the OpenAI-compatible HTTP API alone.

    python -m benchmarks.answers --base-url http://127.0.0.1:8000/v1 --out answers.json
    python -m benchmarks.answers --in-process --half dev

The second way starts the system of a Serve config in this process, without Ray and without its
generator (benchmarks/exam/in_process.py): for tuning, where answers are quoted.

It uploads the documents of `benchmarks/data/exam` into a new vector store, asks each question to
the model `rag:<store>`, and judges the answers: all asked facts, nothing false, the right documents
cited, at most 120 words. There are two halves over documents of their own: one to develop with, one
that is only measured. The kinds `single` and `absent` name no place and are asked in a store of
their twelve documents, all others in one of all. `--half tuning` asks about other documents, on
which thresholds and weights are chosen, `--half fresh` about others that tell whether what was
chosen holds elsewhere.

benchmarks/exam/ has the parts, `judge.py` the rules.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from openai import OpenAI

from benchmarks.exam.asking import Store, Transcript, ask, filled_store, upload
from benchmarks.exam.documents import DOCUMENTS, build
from benchmarks.exam.questions import (
    EXAM,
    FIRST_KINDS,
    HALVES,
    KINDS,
    OWN_DOCUMENTS,
    Question,
    read_questions,
)
from benchmarks.exam.report import excerpts, numbers, table

LOCAL = Path(__file__).resolve().parent.parent / "local.yaml"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the exam, print its table and write the numbers and the transcripts."""
    options = _options(arguments)
    if options.in_process:
        from benchmarks.exam.in_process import served  # loads Serve, which no other system needs

        with served(options.config) as base_url:
            return _run(options, base_url)
    return _run(options, options.base_url)


def _run(options: argparse.Namespace, base_url: str) -> int:
    client = OpenAI(base_url=base_url, api_key=options.api_key, timeout=300)
    halves = HALVES if options.half == "both" else (options.half,)
    questions = read_questions(halves, options.kinds)[: options.limit]
    transcripts: list[Transcript] = []
    stores = []
    for store, asked in filled(client, options.half, questions, options.store):
        stores.append(store)
        transcripts += _ask_all(client, store, asked)
    counted = numbers(transcripts)
    print(table(counted))
    if options.transcripts:
        print(excerpts(transcripts, options.transcripts))
    if options.out:
        report = {
            "stores": [asdict(store) for store in stores],
            "numbers": counted,
            "transcripts": [asdict(item) for item in transcripts],
        }
        options.out.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    right = sum(item.verdict.right for item in transcripts)
    print(f"{right} of {len(transcripts)} are right")
    return int(right < options.least_right * len(transcripts))


def filled(
    client: OpenAI, half: str, questions: Sequence[Question], store: str | None = None
) -> Iterator[tuple[Store, Sequence[Question]]]:
    """Fills the stores that the questions are asked in, unless one is named; gives both."""
    parts = [(DOCUMENTS / "single", FIRST_KINDS), (DOCUMENTS, KINDS[len(FIRST_KINDS) :])]
    if half in OWN_DOCUMENTS:
        parts = [(EXAM / half, KINDS)]
    for part, kinds in parts:
        if asked := [question for question in questions if question.kind in kinds]:
            yield filled_store(client, store) if store else _upload(client, part), asked


def _ask_all(client: OpenAI, store: Store, questions: Sequence[Question]) -> Iterator[Transcript]:
    for question in questions:
        transcript = ask(client, store, question)
        mark = "+" if transcript.verdict.right else "-"
        print(
            f"{mark} [{question.id}] {question.turns[-1]} -> {transcript.answers[-1]}", flush=True
        )
        yield transcript


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--base-url", default="http://127.0.0.1:8000/v1")
    parser.add_argument(
        "--in-process", action="store_true", help="start the system here instead, without Ray"
    )
    parser.add_argument("--config", type=Path, default=LOCAL, help="what is started in process")
    parser.add_argument("--api-key", default=os.environ.get("OPENAI_API_KEY", "none"))
    parser.add_argument("--store", help="a filled vector store; default: upload into a new one")
    parser.add_argument("--half", choices=(*HALVES, "both", *OWN_DOCUMENTS), default="both")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS, metavar="KIND")
    parser.add_argument("--limit", type=int, help="ask only the first questions")
    parser.add_argument("--least-right", type=float, default=0.0, metavar="SHARE",
                        help="exit status 1 when fewer are right, as 0.7")  # fmt: skip
    parser.add_argument("--transcripts", type=int, default=0, help="print some as Markdown")
    parser.add_argument("--out", type=Path, help="write numbers and transcripts as JSON")
    return parser.parse_args(arguments)


def _upload(client: OpenAI, sources: Path) -> Store:
    with tempfile.TemporaryDirectory() as folder:
        return upload(client, build(Path(folder), sources))


if __name__ == "__main__":
    raise SystemExit(main())
