"""What routing by difficulty costs and saves: the exam, asked of a large and of a small generator.

    python -m benchmarks.routing --half tuning --judged judged.json
    python -m benchmarks.routing --half test

The first makes the judged answers that `python -m training.router` learns from. The system runs in
this process (benchmarks/exam/in_process.py), where both generators are simulated: the large one
writes what the system quotes, the small one the sentence that shares most words with the question.
Every question is asked once for each way of choosing, over HTTP; the judge sees no difference.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from openai import OpenAI

from benchmarks.answers import LOCAL, filled
from benchmarks.exam.asking import Store, Transcript, ask
from benchmarks.exam.in_process import served
from benchmarks.exam.questions import HALVES, KINDS, OWN_DOCUMENTS, Question, read_questions
from graphs.choosing.asked import Asked
from graphs.choosing.router import Router, router_of
from graphs.settings import RoutingSettings

LARGE, SMALL = "large alone", "small alone"


@dataclass(frozen=True)
class Always:
    """Calls every question easy, or none."""

    answer: bool

    def is_easy(self, asked: Asked) -> bool:
        """Looks at nothing."""
        del asked
        return self.answer


@dataclass
class Watched:
    """Asks the router of the moment, and notes what was asked of it and what it said."""

    router: Router
    noted: list[tuple[Asked, bool]] = field(default_factory=list)

    def is_easy(self, asked: Asked) -> bool:
        """Decides as that router does."""
        easy = self.router.is_easy(asked)
        self.noted.append((asked, easy))
        return easy


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One question, asked in one way.

    Attributes:
        asked: what the router saw of it; None: no generator was needed.
        small: whether the small one wrote the answer.
    """

    transcript: Transcript
    asked: Asked | None
    small: bool


def main(arguments: Sequence[str] | None = None) -> int:
    """Asks, prints the table, and writes what was judged."""
    options = _options(arguments)
    settings = RoutingSettings(router="rule")
    ways: dict[str, Router | None] = {LARGE: Always(False), SMALL: Always(True)}
    if not options.judged:
        ways["rule"] = router_of(settings)
        ways["trained"] = router_of(settings.model_copy(update={"router": "trained"}))
    halves = HALVES if options.half == "both" else (options.half,)
    questions = read_questions(halves, options.kinds)[: options.limit]
    found: dict[str, list[Judged]] = {way: [] for way in ways}
    watched = Watched(Always(False))
    with served(options.config, watched) as base_url:
        client = OpenAI(base_url=base_url, api_key="none", timeout=300)
        for store, asked in filled(client, options.half, questions):
            for question in asked:
                for way, router in ways.items():
                    assert router is not None
                    watched.router = router
                    found[way].append(_judged(client, store, question, watched))
                print("".join("+" if one[-1].transcript.verdict.right else "-" for one in
                              found.values()), question.id, flush=True)  # fmt: skip
    print(table(found))
    if options.judged:
        options.judged.write_text(json.dumps(lessons(found), indent=0) + "\n")
    return 0


def _judged(client: OpenAI, store: Store, question: Question, watched: Watched) -> Judged:
    watched.noted.clear()
    transcript = ask(client, store, question)
    asked, small = watched.noted[-1] if watched.noted else (None, False)
    return Judged(transcript=transcript, asked=asked, small=small)


def lessons(found: Mapping[str, Sequence[Judged]]) -> list[dict[str, object]]:
    """Gives a lesson for each question that a generator answered: its features, and who was right.

    What both got wrong tells nothing of a loss, so the small one may have it.
    """
    pairs = zip(found[LARGE], found[SMALL], strict=True)
    return [
        {
            "id": large.transcript.question.id,
            "features": large.asked.numbers(),
            "as_good": small.transcript.verdict.right or not large.transcript.verdict.right,
        }
        for large, small in pairs
        if large.asked is not None
    ]


def table(found: Mapping[str, Sequence[Judged]]) -> str:
    """Gives a Markdown table: a row for each way of choosing."""
    lines = ["| generator | by the small one | right | points |", "|---|---|---|---|"]
    best = _points(found[LARGE])
    for way, judged in found.items():
        points = _points(judged)
        share = sum(one.small for one in judged) / len(judged)
        right = sum(one.transcript.verdict.right for one in judged)
        told = f"{points:.1f}" if way == LARGE else f"{points:.1f} ({points - best:+.1f})"
        lines.append(f"| {way} | {share:.0%} | {right} of {len(judged)} | {told} |")
    return "\n".join(lines)


def _points(judged: Sequence[Judged]) -> float:
    return 100 * sum(one.transcript.verdict.right for one in judged) / len(judged)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, default=LOCAL, help="what is started in process")
    parser.add_argument("--half", choices=(*HALVES, "both", *OWN_DOCUMENTS), default="test")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS, metavar="KIND")
    parser.add_argument("--limit", type=int, help="ask only the first questions")
    parser.add_argument("--judged", type=Path, help="write lessons here, of large and small alone")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
