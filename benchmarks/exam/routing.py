"""What routing by difficulty costs and saves: the exam, asked of a large and of a small generator.

    python -m benchmarks.exam.routing --half tuning --judged judged.json
    python -m benchmarks.exam.routing --half test

The first makes the judged answers that `python -m training.router` learns from. The system runs in
this process (benchmarks/exam/in_process.py), where both generators are simulated: the large one
writes what the system quotes, the small one the sentence that shares most words with the question.
Every question is asked of either, over HTTP. Each router then decides by what the server had of the
question when the answer was to be written; its answer is that of the generator it chooses.
"""

import argparse
import json
from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path

from openai import OpenAI

from benchmarks.answers import LOCAL, filled
from benchmarks.exam.asking import Store, ask
from benchmarks.exam.in_process import served
from benchmarks.exam.questions import HALVES, KINDS, OWN_DOCUMENTS, Question, read_questions
from graphs.choosing.asked import Asked
from graphs.choosing.router import Router, router_of
from graphs.settings import RoutingSettings


@dataclass
class Watched:
    """Sends every question to one generator, and notes what there was to decide by.

    Attributes:
        is_small: which one that is.
        noted: the questions that came to a generator.
    """

    is_small: bool = False
    noted: list[Asked] = field(default_factory=list)

    def is_easy(self, asked: Asked) -> bool:
        """Decides as it is told to."""
        self.noted.append(asked)
        return self.is_small


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One question, asked of both.

    Attributes:
        asked: what a router sees of it; None: no generator was needed.
        large: whether the answer of the large one is right.
        small: the same of the small one.
    """

    id: str
    asked: Asked | None
    large: bool
    small: bool


def main(arguments: Sequence[str] | None = None) -> int:
    """Asks, prints the table, and writes what was judged."""
    options = _options(arguments)
    halves = HALVES if options.half == "both" else (options.half,)
    questions = read_questions(halves, options.kinds)[: options.limit]
    found: list[Judged] = []
    watched = Watched()
    with served(options.config, watched) as base_url:
        client = OpenAI(base_url=base_url, api_key="none", timeout=300)
        for store, asked in filled(client, options.half, questions):
            for question in asked:
                found.append(_judged(client, store, question, watched))
                print(f"{found[-1].large:d}{found[-1].small:d} {question.id}", flush=True)
    if options.judged:
        options.judged.write_text(json.dumps(lessons(found), indent=0) + "\n")
    print(table(found))
    return 0


def _judged(client: OpenAI, store: Store, question: Question, watched: Watched) -> Judged:
    right = {}
    for watched.is_small in (False, True):
        watched.noted.clear()
        right[watched.is_small] = ask(client, store, question).verdict.right
    asked = watched.noted[-1] if watched.noted else None
    return Judged(id=question.id, asked=asked, large=right[False], small=right[True])


def lessons(found: Sequence[Judged]) -> list[dict[str, object]]:
    """Gives a lesson for each question that a generator answered: its features, and who was right.

    What both got wrong tells nothing of a loss, so the small one may have it.
    """
    return [
        {"id": one.id, "features": one.asked.numbers(), "as_good": one.small or not one.large}
        for one in found
        if one.asked is not None
    ]


def table(found: Sequence[Judged]) -> str:
    """Gives a Markdown table: a row for each way of choosing."""
    settings = RoutingSettings(router="rule")
    ways: dict[str, Router | None] = {
        "rule": router_of(settings),
        "trained": router_of(settings.model_copy(update={"router": "trained"})),
    }
    written = [one for one in found if one.asked is not None]
    rows = [_row("large alone", found, set()), _row("small alone", found, set(written))]
    for way, router in ways.items():
        assert router is not None
        easy = {one for one in written if one.asked and router.is_easy(one.asked)}
        rows.append(_row(way, found, easy))
    head = "| who writes | by the small one | right | points | lost |"
    return "\n".join([head, "|---" * 5 + "|", *rows])


def _row(way: str, found: Sequence[Judged], small: Set[Judged]) -> str:
    right = sum(one.small if one in small else one.large for one in found)
    lost = sum(one.large for one in found) - right
    share, points, fewer = (100 * number / len(found) for number in (len(small), right, lost))
    return f"| {way} | {share:.0f} % | {right} of {len(found)} | {points:.1f} | {fewer:.1f} |"


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, default=LOCAL, help="what is started in process")
    parser.add_argument("--half", choices=(*HALVES, "both", *OWN_DOCUMENTS), default="test")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS, metavar="KIND")
    parser.add_argument("--limit", type=int, help="ask only the first questions")
    parser.add_argument("--judged", type=Path, help="write lessons for the router here")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
