"""`python -m benchmarks.boundaries`: what a plan says that a rate takes, beside that rate itself.

Two systems are calibrated as `python -m cluster.calibrate` does, and asked at random times. One has
simulated models, which take their time and no processor: each of its goals is planned, served with
the replicas of the plan, and loaded; then once more with one replica less of the model that has
most to do. The other is that of `make serve` (`--local`), with one replica of each model on this
machine: its rates are shares of what its slowest model could do. About 8 minutes each.
"""

import argparse
import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
from openai import OpenAI
from rich.console import Console
from rich.table import Table

from benchmarks.checkout import ServedCheckout
from chaos.fleet import SIMULATED, Fleet
from chaos.load import ChatCall, Load, Outcome, chat_calls
from cluster.interrupts import interruptible
from cluster.planning.boundaries import boundaries
from cluster.planning.measuring import TIMEOUT_S, Asked, made_questions, measure
from cluster.planning.queues import percentile_95
from cluster.planning.wanted import Boundary, Calibration, Wanted, calls_of, latency_of
from graphs.serve_config.reader import read_serve_config

ROOT = Path(__file__).resolve().parents[1]
STORE = "documents"
_WARM_UP = 20  # questions
ANSWER_TOKENS, SLOTS = 24, 6
# What the simulated models take, of the order of those of a small GPU; the generator writes
# `ANSWER_TOKENS` in 1.2 s.
WORK_S: Mapping[str, float] = {"Embedder": 0.02, "Reranker": 0.15, "SafetyFilter": 0.02}
TOKENS_PER_S = 20.0
GOALS = ((1.0, 2.0), (3.0, 2.0), (6.0, 2.0))  # questions a second, seconds
SHARES = (0.3, 0.5, 0.7)  # of what the slowest model of a real system can do


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What a rate did to a system.

    Attributes:
        told_s: what the plan says that 95 of 100 questions take at most; infinite: they pile up.
        outcomes: of all questions.
    """

    told_s: float
    outcomes: Sequence[Outcome]

    @property
    def latency_95_s(self) -> float:
        """What 95 of 100 questions took at most."""
        return percentile_95([one.ended_s - one.sent_s for one in self.outcomes])

    @property
    def failures(self) -> list[str]:
        """Why questions had no answer."""
        return [one.failure for one in self.outcomes if one.failure is not None]


def simulated_changes(replicas: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    """The simulated system with so many replicas of each model, one where none is named."""
    blocks: dict[str, dict[str, Any]] = {}
    for name in ("Gateway", "Retriever", *WORK_S, "Generator"):
        count = replicas.get(name, 1)
        blocks[name] = {
            "max_replicas_per_node": 100,
            "autoscaling_config": {"min_replicas": count, "max_replicas": count},
            "ray_actor_options": {"num_cpus": 0.01},
        }
        if name in WORK_S:
            blocks[name]["user_config"] = {"work_s": WORK_S[name]}
    blocks["Generator"] |= {
        "max_ongoing_requests": SLOTS,
        "user_config": {"tokens_per_s": TOKENS_PER_S, "max_concurrent_requests": SLOTS},
    }
    waits = {"slot_s": 60, "first_token_s": 60, "model_s": 60}
    del blocks["Gateway"]["max_replicas_per_node"], blocks["Retriever"]["max_replicas_per_node"]
    blocks["Gateway"]["user_config"] = {"timeouts": waits, "http": {"default_store": STORE}}
    return blocks


def load_documents(url: str) -> None:
    """Gives the simulated system passages that its questions share words with."""
    client = OpenAI(base_url=f"{url}/v1", api_key="none", timeout=60)
    store = client.vector_stores.create(name=STORE)
    words = "Case port file node store answer question model cache queue"
    text = "\n\n".join(f"{words} number {number}." for number in range(40)).encode()
    client.vector_stores.files.upload_and_poll(
        vector_store_id=store.id, file=("documents.md", text, "text/markdown")
    )


async def calibrated(
    url: str, config: Path, *, num_questions: int = 16
) -> tuple[Calibration, Wanted, tuple[str, ...]]:
    """Measures a system with one replica of each model, by so many questions.

    Returns:
        What it does, a goal with its sizes, and the questions that were asked.
    """
    read = read_serve_config(config)
    asked = Asked(
        names=read.gateway.served_names, writes=read.gateway.answers == "free", slots=SLOTS,
        answer_tokens=ANSWER_TOKENS, store=read.gateway.http.default_store,
    )  # fmt: skip
    async with httpx.AsyncClient(base_url=url, timeout=TIMEOUT_S) as client:
        questions = (await made_questions(client, asked))[:num_questions]
        found = await measure(client, replace(asked, questions=questions))
    wanted = Wanted(
        latency_s=1e6, rate=1, prompt_tokens=found.prompt_tokens, answer_tokens=ANSWER_TOKENS,
        calls=calls_of(read.gateway, ANSWER_TOKENS),
    )  # fmt: skip
    return found.calibration, wanted, questions


async def loaded(url: str, calls: Sequence[ChatCall], told: Sequence[Boundary]) -> Loaded:
    """Sends the questions at their times, after the first ones have met every new replica."""
    await Load(url).run(calls[:_WARM_UP])
    outcomes = await Load(url).run(calls)
    return Loaded(told_s=latency_of(told), outcomes=outcomes)


def questions_at(rate: float, count: int, questions: Sequence[str], **more: int) -> list[ChatCall]:
    """So many of the questions, in turn, at random times."""
    calls = chat_calls(seed=1, count=count, rate=rate, max_tokens=ANSWER_TOKENS, model="rag")
    return [
        replace(call, body={
            "model": "rag", "stream": True, "stream_options": {"include_usage": True},
            "messages": [{"role": "user", "content": questions[number % len(questions)]}],
            **more,
        })
        for number, call in enumerate(calls)
    ]  # fmt: skip


def one_less(told: Sequence[Boundary]) -> dict[str, int] | None:
    """The replicas of a plan, one less of the model whose others would have most to do.

    None where there is one of each.
    """
    replicas = {one.deployment: one.replicas or 1 for one in told}
    several = [one for one in told if replicas[one.deployment] > 1]
    if not several:
        return None
    most = max(several, key=lambda one: one.busy / (1 - 1 / replicas[one.deployment]))
    return {**replicas, most.deployment: replicas[most.deployment] - 1}


def simulated(table: Table, console: Console, count: int) -> None:
    """Plans, serves and loads the simulated system."""
    with Fleet(num_spot=0, config=SIMULATED, changes=simulated_changes({})) as fleet:
        load_documents(fleet.url)
        served = fleet.folder / "served.yaml"
        measured, sizes, questions = asyncio.run(calibrated(fleet.url, served))
        for rate, latency_s in GOALS:
            wanted = replace(sizes, latency_s=latency_s, rate=rate)
            told = boundaries(wanted, measured)
            replicas = {one.deployment: one.replicas or 1 for one in told}
            for counts in filter(None, (replicas, one_less(told))):
                fleet.edit(simulated_changes(counts))
                calls = questions_at(rate, count, questions, max_tokens=ANSWER_TOKENS)
                seen = asyncio.run(loaded(fleet.url, calls, told))
                is_planned = counts == replicas
                table.add_row(
                    *row(f"{rate:g}/s in {latency_s:g} s", counts, seen, is_planned=is_planned)
                )
                console.print(table)


def local(table: Table, console: Console, count: int) -> None:
    """Loads the system of `make serve`."""
    with ServedCheckout(path=ROOT, documents=ROOT / "examples" / "handbook") as served:
        measured, sizes, questions = asyncio.run(calibrated(served.url, ROOT / "local.yaml"))
        one_a_second = boundaries(replace(sizes, rate=1e-3), measured)
        most = 1e-3 / max(one.busy for one in one_a_second)
        for share in SHARES:
            wanted = replace(sizes, rate=share * most)
            told = boundaries(wanted, measured)
            calls = questions_at(wanted.rate, count, questions)
            seen = asyncio.run(loaded(served.url, calls, told))
            counts = {one.deployment: one.replicas or 0 for one in told}
            table.add_row(*row(f"{wanted.rate:.2f}/s, {share:.0%}", counts, seen, is_planned=True))
            console.print(table)


def row(goal: str, replicas: Mapping[str, int], seen: Loaded, *, is_planned: bool) -> list[str]:
    """A line of the table."""
    told = f"{seen.told_s:.2f}" if is_planned else "one less"
    counts = ", ".join(f"{count} {name}" for name, count in replicas.items() if count != 1)
    latency = f"{seen.latency_95_s:.2f}"
    return [goal, counts or "one of each", told, latency, str(len(seen.failures))]


def main() -> None:
    """Prints the table, a line as soon as it is known."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.boundaries", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--local", action="store_true", help="the system of `make serve`")
    parser.add_argument("--questions", type=int, default=200, help="of each load (%(default)s)")
    options = parser.parse_args()
    if options.questions < 1:
        parser.error(f"--questions must be at least 1, got {options.questions}")
    table = Table("rate", "replicas", "p95 planned, s", "p95 seen, s", "failed")
    with interruptible():
        (local if options.local else simulated)(table, Console(), options.questions)


if __name__ == "__main__":
    main()
