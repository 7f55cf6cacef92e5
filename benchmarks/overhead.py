"""`python -m benchmarks.overhead --before CHECKOUT`: what one cited question costs, stage by stage.

Serves this checkout and another one of the repository side by side, each as `make serve` does, with
the same documents. Both get the same questions in turn, one at a time, and the order changes every
round, so that whatever else the machine does hits both alike. A ratio is the median over the rounds
of what this checkout took to what the other one took; the times themselves are of this machine.

Exit status: 0 the whole request takes at most `--limit` times as long; 1 it takes longer; 2 a
checkout cannot be served, or does not answer with a citation; 130 interrupted.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from benchmarks.checkout import CheckoutError, ServedCheckout, exit_status
from benchmarks.progress import progress_bar
from chaos.report import percentile

ROOT = Path(__file__).resolve().parents[1]
WHOLE = "whole request"
_REQUEST_S = 120.0
_WARM_ROUNDS = 2  # of all questions
# Each has its answer in the handbook.
QUESTIONS = (
    "How large may a file be?",
    "On which port does the HTTP API listen?",
    "Which command starts the whole system?",
    "What happens when the safety filter does not respond?",
    "How are the two result lists merged?",
    "How must text be encoded?",
    "Which file is the database on a laptop?",
    "What does a cluster of several machines need?",
    "Which header lists how many milliseconds each stage took?",
    "How many attributes can a document carry?",
    "Where does the log of the deployments lie?",
)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One answered question.

    Attributes:
        answer: its text.
        times_ms: stage -> what it took, and `WHOLE` as the client saw it; stages may overlap.
    """

    answer: str
    times_ms: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One stage of both checkouts, in milliseconds; None where a checkout has no such stage.

    Attributes:
        ratio: median over the rounds of after to before; None without a round that has both.
    """

    stage: str
    before_p50: float | None
    before_p90: float | None
    after_p50: float | None
    after_p90: float | None
    ratio: float | None


def main() -> None:
    """Runs the command line."""
    arguments = _parse()
    console = Console()
    sys.exit(exit_status(lambda: _run(arguments, console), console))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.overhead", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    option = parser.add_argument
    option("--before", type=Path, required=True, help="the other checkout, with its models")
    option("--requests", type=int, default=50, help="questions to each (%(default)s)")
    option("--limit", type=float, default=1.1, help="highest ratio that passes (%(default)s)")
    option("--out", type=Path, help="write the table and all samples as JSON")
    arguments = parser.parse_args()
    before = arguments.before = arguments.before.resolve()
    if arguments.requests < 1:
        parser.error(f"--requests must be at least 1, got {arguments.requests}")
    if before == ROOT or not (before / "local.yaml").is_file():
        parser.error(f"--before must be another checkout with a local.yaml, got {before}")
    return arguments


def _run(arguments: argparse.Namespace, console: Console) -> bool:
    documents = ROOT / "examples" / "handbook"
    with ExitStack() as stack:
        clients = []
        # One after the other: two that start at once may choose the same ports for Ray.
        for path in (arguments.before, ROOT):
            console.print(f"starting {path}; this takes a minute", markup=False, highlight=False)
            served = stack.enter_context(ServedCheckout(path=path, documents=documents))
            client = httpx.Client(base_url=served.url, timeout=_REQUEST_S)
            clients.append(stack.enter_context(client))
        before, after = _ask_in_turn(clients, arguments.requests)
    rows = compare(before, after)
    num_differing = sum(a.answer != b.answer for a, b in zip(before, after, strict=True))
    _tell(console, rows, num_differing)
    if arguments.out:
        samples = {"before": [*map(asdict, before)], "after": [*map(asdict, after)]}
        report = {"rows": [*map(asdict, rows)], "num_differing": num_differing, **samples}
        arguments.out.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    whole = rows[0].ratio
    assert whole is not None
    return bool(whole <= arguments.limit)


def _ask_in_turn(
    clients: Sequence[httpx.Client], num_requests: int
) -> tuple[list[Sample], list[Sample]]:
    """Gives the samples of both, round by round."""
    warming = QUESTIONS * _WARM_ROUNDS
    taken: tuple[list[Sample], list[Sample]] = ([], [])
    with progress_bar("questions", 2 * (len(warming) + num_requests)) as advance:
        for question in warming:
            for client in clients:
                ask(client, question)
                advance(1)
        for number in range(num_requests):
            # The number of questions is odd, so each of them comes first at both.
            for side in (0, 1) if number % 2 else (1, 0):
                taken[side].append(ask(clients[side], QUESTIONS[number % len(QUESTIONS)]))
                advance(1)
    return taken


def ask(client: httpx.Client, question: str) -> Sample:
    """Asks one question.

    Raises:
        CheckoutError: the answer is an error, or cites nothing.
    """
    body = {
        "model": "rag",
        "messages": [{"role": "user", "content": question}],
        "temperature": 0,
        "seed": 0,
        "rag": {"debug": True},
    }
    started = time.perf_counter()
    reply = client.post("/v1/chat/completions", json=body)
    whole_ms = 1000 * (time.perf_counter() - started)
    if not reply.is_success:
        msg = f"{client.base_url} answers {question!r} with {reply.status_code}: {reply.text[:500]}"
        raise CheckoutError(msg)
    completion: dict[str, Any] = reply.json()
    message = completion["choices"][0]["message"]
    if not message.get("annotations"):
        msg = f"{client.base_url} cites nothing for {question!r}: {message['content']!r}"
        raise CheckoutError(msg)
    times_ms = {WHOLE: whole_ms, **completion["rag"]["timings"]}
    return Sample(answer=message["content"], times_ms=times_ms)


def compare(before: Sequence[Sample], after: Sequence[Sample]) -> list[Row]:
    """Aligns the stages of both by name: the whole request, then in the order of their ends.

    Args:
        before: one sample a round.
        after: those of the other checkout, in the same order.
    """
    every = [*after, *before]
    names = dict.fromkeys(name for sample in every for name in sample.times_ms)
    rows = []
    for name in names:
        old = [sample.times_ms[name] for sample in before if name in sample.times_ms]
        new = [sample.times_ms[name] for sample in after if name in sample.times_ms]
        ratios = [
            b.times_ms[name] / a.times_ms[name]
            for a, b in zip(before, after, strict=True)
            if a.times_ms.get(name) and name in b.times_ms  # some round to 0.0 ms
        ]
        rows.append(
            Row(
                stage=name,
                before_p50=_percentile(old, 50),
                before_p90=_percentile(old, 90),
                after_p50=_percentile(new, 50),
                after_p90=_percentile(new, 90),
                ratio=round(median(ratios), 3) if ratios else None,
            )
        )
    return rows


def _percentile(values: Sequence[float], percent: float) -> float | None:
    return round(percentile(values, percent), 2) if values else None


def _tell(console: Console, rows: Sequence[Row], num_differing: int) -> None:
    table = Table("stage", *["before p50", "p90", "after p50", "p90", "ratio"], title="ms")
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        times = (row.before_p50, row.before_p90, row.after_p50, row.after_p90)
        cells = ["-" if value is None else f"{value:.1f}" for value in times]
        table.add_row(row.stage, *cells, "-" if row.ratio is None else f"{row.ratio:.2f}")
    console.print(table)
    if num_differing:
        console.print(f"{num_differing} answers differ, so their times may differ for that reason")


if __name__ == "__main__":
    main()
