"""Measures a running system: `python -m benchmarks.evaluate --store S --questions Q.jsonl`.

It asks each question to `rag:S`, and measures retrieval (recall, nDCG, MRR over 10 passages), facts
and reference answers, precision and recall of citations, whether it declines rightly, whether
sentences are supported by what was read, seconds and tokens. Q may be ours, a BEIR folder, or
RAGAS' form (benchmarks/evaluate/sets.py).

    --against URL            a second system, asked the same in turn; it is the version before
    --baseline report.json   or what `--out` wrote of the version before
    --least facts=0.8        fails below that mean
    --drop facts=0.02        fails when surely more than that is lost against the version before
    --price-input 0.15       what a million tokens cost that are read, and --price-output 0.6 what
                             those cost that are written: measures `cost`, too

Exit status: 0 every limit is kept; 1 one is not; 2 wrong arguments, no such set or no system.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.evaluate.asking import System, UnusableSystemError
from benchmarks.evaluate.gate import Interval, Limits, Scores, differences, failures, means, shown
from benchmarks.evaluate.html_report import page
from benchmarks.evaluate.measures import MEASURES, Prices, Reply, measured, taken
from benchmarks.evaluate.sets import Question, QuestionSetError, limited, read_set
from benchmarks.progress import progress_bar


@dataclass(frozen=True, kw_only=True)
class Versions:
    """The mean of each measure of both versions, and what the later one gained.

    Attributes:
        after: of the version that is judged.
        before: of the one before; empty: there is none.
        gained: over the questions that both were asked.
    """

    after: Mapping[str, Interval]
    before: Mapping[str, Interval]
    gained: Mapping[str, Interval]


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
    prices = _prices(options)
    before: Scores | None = None
    if options.baseline:
        before = _baseline(options.baseline, prices, questions)
        if num_others := len(questions) - len(before):
            console.print(f"note: {num_others} questions are not in {options.baseline.name}")
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
        before = _measured(questions, asked[1], prices)
    after = _measured(questions, asked[0], prices)
    limits = Limits(least=dict(options.least), drops=dict(options.drop))
    told = failures(after, before, limits)
    versions = Versions(
        after=means(after),
        before=means(before or {}),
        gained=differences(before, after) if before is not None else {},
    )
    console.print(_table(versions))
    for one in told:
        console.print(f"fails: {one}", style="red", markup=False, highlight=False)
    rows = [(q, reply, after[q.id]) for q, reply in zip(questions, asked[0], strict=True)]
    title = f"{options.store} on {options.questions.name}"
    if options.html:
        shows = (versions.after, versions.before, versions.gained)
        options.html.write_text(page(title, *shows, told, rows), encoding="utf-8")
    if options.out:
        options.out.write_text(_report(rows, versions, told), encoding="utf-8")
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


def _measured(
    questions: Sequence[Question], replies: Sequence[Reply], prices: Prices | None
) -> Scores:
    return {q.id: measured(q, reply, prices) for q, reply in zip(questions, replies, strict=True)}


def _table(versions: Versions) -> Table:
    table = Table(title="Measured, with 95 % intervals", title_justify="left")
    compared = ("before", "interval", "gain") if versions.before else ()
    for name in ("measure", "mean", "interval", "questions", *compared):
        table.add_column(name)
    for name, one in versions.after.items():
        cells = [name, shown(one.mean), _interval(one), str(one.num_questions)]
        if versions.before:
            old, gain = versions.before.get(name), versions.gained.get(name)
            cells += [shown(old.mean), _interval(old)] if old else ["", ""]
            cells.append(_gain(gain) if gain else "")
        table.add_row(*cells)
    return table


def _interval(one: Interval) -> str:
    return f"{shown(one.low)}..{shown(one.high)}"


def _gain(one: Interval) -> str:
    return f"{shown(one.mean, '+')} ({shown(one.low, '+')}..{shown(one.high, '+')})"


def _report(
    rows: Sequence[tuple[Question, Reply, Mapping[str, float]]],
    versions: Versions,
    told: Sequence[str],
) -> str:
    questions = {
        question.id: {"question": question.text, "scores": scores, "reply": asdict(reply)}
        for question, reply, scores in rows
    }
    summary = asdict(versions)
    report = {"means": summary.pop("after"), **summary}
    report |= {"failures": list(told), "questions": questions}
    return json.dumps(report, indent=1, ensure_ascii=False) + "\n"


def _baseline(path: Path, prices: Prices | None, asked: Sequence[Question]) -> Scores:
    """Reads what `--out` wrote of these questions; its tokens cost what those of today do.

    Raises:
        QuestionSetError: it is something else.
    """
    try:
        questions = json.loads(path.read_text(encoding="utf-8"))["questions"]
        texts = {question.id: question.text for question in asked}  # an id may be a line's number
        questions = {
            identifier: one
            for identifier, one in questions.items()
            if one["question"] == texts.get(identifier)
        }
        return {
            identifier: scores | _taken_before(questions[identifier]["reply"], prices)
            for identifier, scores in _scores_of(questions).items()
        }
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise QuestionSetError(f"{path} is no report of --out: {err!r}") from err


def _taken_before(reply: Mapping[str, Any], prices: Prices | None) -> dict[str, float]:
    if reply["error"]:
        return {}
    return taken(reply["num_prompt_tokens"], reply["num_completion_tokens"], prices)


def _scores_of(questions: Mapping[str, Any]) -> dict[str, dict[str, float]]:
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
    option("--price-input", type=float, metavar="PRICE", help="of a million tokens that are read")
    option("--price-output", type=float, metavar="PRICE", help="of a million that are written")
    option("--api-key", default=os.environ.get("OPENAI_API_KEY", "none"))
    option("--limit", type=int, help="ask only the first questions")
    option("--timeout-s", type=float, default=300.0, help="of one request (%(default)s)")
    option("--no-grounding", dest="grounding", action="store_false", help="ask no reranker")
    option("--out", type=Path, help="write everything as JSON")
    option("--html", type=Path, help="write a report for people")
    options = parser.parse_args(arguments)
    _check(options, parser)
    return options


def _check(options: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    if options.against and options.baseline:
        parser.error("--against and --baseline both name the version before; give one")
    if options.drop and not (options.against or options.baseline):
        parser.error("--drop needs a version before: --against or --baseline")
    if options.limit is not None and options.limit < 1:
        parser.error(f"--limit must be at least 1, got {options.limit}")
    if any(price is not None and price < 0 for price in _prices_of(options)):
        parser.error("--price-input and --price-output must be at least 0")
    if "cost" in {*dict(options.least), *dict(options.drop)} and _prices(options) is None:
        parser.error("a limit of cost needs --price-input or --price-output")


def _prices(options: argparse.Namespace) -> Prices | None:
    read, written = _prices_of(options)
    if read is None and written is None:
        return None
    return Prices(input=read or 0.0, output=written or 0.0)


def _prices_of(options: argparse.Namespace) -> tuple[float | None, float | None]:
    return options.price_input, options.price_output


if __name__ == "__main__":
    sys.exit(main())
