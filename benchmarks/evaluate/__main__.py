"""Measures a running system: `python -m benchmarks.evaluate --store S --questions Q.jsonl`.

It asks each question to `rag:S`, and measures retrieval (recall, nDCG, MRR over 10 passages), facts
and reference answers, precision and recall of citations, whether it declines rightly, whether
sentences are supported by what was read, and seconds. Q may be ours, a BEIR folder, or RAGAS' form
(benchmarks/evaluate/sets.py).

    --against URL            a second system, asked the same in turn; it is the version before
    --baseline report.json   or what `--out` wrote of the version before
    --least facts=0.8        fails below that mean
    --drop facts=0.02        fails when surely more than that is lost against the version before

Exit status: 0 every limit is kept; 1 one is not; 2 wrong arguments, no such set or no system.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.evaluate.asking import System, UnusableSystemError
from benchmarks.evaluate.gate import Limits, Scores, differences, failures, means
from benchmarks.evaluate.html_report import page
from benchmarks.evaluate.measures import MEASURES, Reply, measured
from benchmarks.evaluate.sets import Question, QuestionSetError, limited, read_set
from benchmarks.progress import progress_bar


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line."""
    options = _options(arguments)
    console = Console()
    try:
        return _run(options, console)
    except (QuestionSetError, UnusableSystemError) as err:
        console.print(f"error: {err}", style="red", markup=False, highlight=False, soft_wrap=True)
        return 2


def _run(options: argparse.Namespace, console: Console) -> int:
    found = read_set(options.questions)
    for note in found.notes:
        console.print(f"note: {note}", markup=False, highlight=False)
    questions = limited(found.questions, options.limit)
    before: Scores | None = _baseline(options.baseline) if options.baseline else None
    urls = [options.base_url, *([options.against] if options.against else [])]
    with ExitStack() as stack:
        systems = [
            stack.enter_context(
                closing(
                    System(
                        url, options.store, api_key=options.api_key, timeout_s=options.timeout_s,
                        checks_grounding=options.grounding,
                    )
                )
            )
            for url in urls
        ]  # fmt: skip
        asked = _ask_all(systems, questions)
    if options.against:
        before = {q.id: measured(q, reply) for q, reply in zip(questions, asked[1], strict=True)}
    after = {q.id: measured(q, reply) for q, reply in zip(questions, asked[0], strict=True)}
    limits = Limits(least=dict(options.least), drops=dict(options.drop))
    told = failures(after, before, limits)
    gained = differences(before, after) if before is not None else {}
    console.print(_table(after, gained))
    for one in told:
        console.print(f"fails: {one}", style="red", markup=False, highlight=False)
    rows = [(q, reply, after[q.id]) for q, reply in zip(questions, asked[0], strict=True)]
    title = f"{options.store} on {options.questions.name}"
    if options.html:
        options.html.write_text(page(title, means(after), gained, told, rows), encoding="utf-8")
    if options.out:
        options.out.write_text(_report(rows, told), encoding="utf-8")
    return 1 if told else 0


def _ask_all(systems: Sequence[System], questions: Sequence[Question]) -> list[list[Reply]]:
    """Asks each question to every system in turn, so that what else happens hits all alike."""
    asked: list[list[Reply]] = [[] for _ in systems]
    with progress_bar("asking", len(questions)) as advance:
        for question in questions:
            for system, replies in zip(systems, asked, strict=True):
                replies.append(system.ask(question))
            advance(1)
    return asked


def _table(after: Scores, gained: Mapping[str, Any]) -> Table:
    table = Table(title="Measured, with 95 % intervals", title_justify="left")
    for name in ("measure", "mean", "interval", "questions", *(("gain",) if gained else ())):
        table.add_column(name)
    for name, one in means(after).items():
        cells = [name, f"{one.mean:.3f}", f"{one.low:.3f}..{one.high:.3f}", str(one.num_questions)]
        if gained:
            gain = gained.get(name)
            cells.append(f"{gain.mean:+.3f} ({gain.low:+.3f}..{gain.high:+.3f})" if gain else "")
        table.add_row(*cells)
    return table


def _report(
    rows: Sequence[tuple[Question, Reply, Mapping[str, float]]], told: Sequence[str]
) -> str:
    questions = {
        question.id: {"question": question.text, "scores": scores, "reply": asdict(reply)}
        for question, reply, scores in rows
    }
    summary = {name: asdict(one) for name, one in means(_scores_of(questions)).items()}
    report = {"means": summary, "failures": list(told), "questions": questions}
    return json.dumps(report, indent=1, ensure_ascii=False) + "\n"


def _baseline(path: Path) -> Scores:
    """Reads what `--out` wrote.

    Raises:
        QuestionSetError: it is something else.
    """
    try:
        return _scores_of(json.loads(path.read_text(encoding="utf-8"))["questions"])
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise QuestionSetError(f"{path} is no report of --out: {err!r}") from err


def _scores_of(questions: Mapping[str, Any]) -> Scores:
    return {identifier: dict(one["scores"]) for identifier, one in questions.items()}


def _limit(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    if name not in MEASURES:
        raise argparse.ArgumentTypeError(f"no measure {name!r}; there are {', '.join(MEASURES)}")
    try:
        return name, float(value)
    except ValueError as err:
        msg = f"needs MEASURE=NUMBER, got {text!r}"
        raise argparse.ArgumentTypeError(msg) from err


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.evaluate", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    option = parser.add_argument
    option("--store", required=True, help="name or id of the vector store")
    option("--questions", type=Path, required=True, help="a file, or a BEIR folder")
    option("--base-url", default="http://127.0.0.1:8000/v1", help="%(default)s")
    option("--against", metavar="URL", help="the /v1 of the version before")
    option("--baseline", type=Path, help="the --out of the version before")
    option("--least", type=_limit, action="append", default=[], metavar="MEASURE=NUMBER")
    option("--drop", type=_limit, action="append", default=[], metavar="MEASURE=NUMBER")
    option("--api-key", default=os.environ.get("OPENAI_API_KEY", "none"))
    option("--limit", type=int, help="ask only the first questions")
    option("--timeout-s", type=float, default=300.0, help="of one request (%(default)s)")
    option("--no-grounding", dest="grounding", action="store_false", help="ask no reranker")
    option("--out", type=Path, help="write everything as JSON")
    option("--html", type=Path, help="write a report for people")
    options = parser.parse_args(arguments)
    if options.against and options.baseline:
        parser.error("--against and --baseline both name the version before; give one")
    if options.drop and not (options.against or options.baseline):
        parser.error("--drop needs a version before: --against or --baseline")
    if options.limit is not None and options.limit < 1:
        parser.error(f"--limit must be at least 1, got {options.limit}")
    return options


if __name__ == "__main__":
    sys.exit(main())
