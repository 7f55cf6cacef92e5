"""How often the engines and their batches write other tokens, and what a seed costs.

    .venv-vllm/bin/python -m benchmarks.divergence --out divergence.json

Both engines write the same answers, greedily and seeded, in batches of several sizes. What is
compared with is the transformers engine that writes one answer at a time. An answer is compared up
to its first difference, where two tokens were nearly equally likely: after it, the two are answers
to different beginnings. Speeds are of this machine; their ratio is what drawing costs.

Needs vLLM, which `make test-vllm` installs; VLLM_CPU_KVCACHE_SPACE=1 is enough.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.overhead import QUESTIONS
from deployments.state import models_folder
from models.engines.loading import EngineName
from models.generation import GenerationRequest, Message, Sampling
from models.generator import Generator, GeneratorConfig

Answer = tuple[int, ...]

ROOT = Path(__file__).resolve().parents[1]
BATCHES = (1, 8, 32)
ANSWER_TOKENS = 48
# Below a temperature of 1.5 the bundled model writes one answer for nearly all seeds.
SAMPLINGS: dict[str, dict[str, Any]] = {
    "greedy": {},
    "seeded": {"temperature": 2.0},
    "nucleus": {"temperature": 2.0, "top_p": 0.9},
}
_ROUNDS = 5  # of the speeds
_OPTIONS: dict[EngineName, dict[str, Any]] = {
    "transformers": {"dtype": "float32", "max_concurrent_requests": 32, "cache_tokens": 32768},
    "vllm": {"dtype": "float32", "max_concurrent_requests": 32},
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One engine, sampling and batch size.

    Attributes:
        num_tokens: compared ones, up to the first difference of each answer.
        num_differing: answers that differ somewhere.
    """

    engine: EngineName
    sampling: str
    batch: int
    num_answers: int
    num_tokens: int
    num_differing: int


@dataclass(frozen=True, kw_only=True)
class Speed:
    """How fast 32 streams are written; the samplings take turns, since other work comes and goes.

    Attributes:
        tokens_per_s: of all streams together, the median of the rounds.
        of_greedy: the median of what each round had as a share of its greedy turn.
    """

    engine: EngineName
    sampling: str
    tokens_per_s: float
    of_greedy: float


def requests(sampling: str, num_tokens: int) -> list[GenerationRequest]:
    """Makes the requests for at least so many tokens, if no answer ends early."""
    return [
        GenerationRequest(
            request_id=str(number),
            messages=(Message(role="user", content=QUESTIONS[number % len(QUESTIONS)]),),
            sampling=Sampling(seed=number, max_tokens=ANSWER_TOKENS, **SAMPLINGS[sampling]),
        )
        for number in range(-(-num_tokens // ANSWER_TOKENS))
    ]


async def write_all(
    generator: Generator, asked: Sequence[GenerationRequest], batch: int
) -> list[Answer]:
    """Writes all answers, `batch` at a time."""
    slots = asyncio.Semaphore(batch)

    async def write(one: GenerationRequest) -> Answer:
        async with slots, aclosing(generator.stream(one)) as chunks:
            return tuple([token async for chunk in chunks for token in chunk.token_ids])

    return await asyncio.gather(*(write(one) for one in asked))


def first_difference(answer: Answer, reference: Answer) -> int | None:
    """Gives the position at which two answers part; None when they are the same."""
    if answer == reference:
        return None
    pairs = enumerate(zip(answer, reference, strict=False))
    shorter = min(len(answer), len(reference))
    return next((position for position, (one, other) in pairs if one != other), shorter)


async def compare(
    engine: EngineName, generator: Generator, num_tokens: int, references: dict[str, list[Answer]]
) -> list[Row]:
    """Writes the answers of every sampling and batch; the first ones become the references."""
    rows = []
    for sampling in SAMPLINGS:
        for batch in BATCHES:
            answers = await write_all(generator, requests(sampling, num_tokens), batch)
            reference = references.setdefault(sampling, answers)
            parted = list(map(first_difference, answers, reference))
            compared = [
                len(answer) if at is None else at + 1
                for answer, at in zip(answers, parted, strict=True)
            ]
            rows.append(
                Row(
                    engine=engine, sampling=sampling, batch=batch, num_answers=len(answers),
                    num_tokens=sum(compared), num_differing=sum(at is not None for at in parted),
                )
            )  # fmt: skip
            print(rows[-1], flush=True)
    return rows


async def time_samplings(engine: EngineName, generator: Generator) -> list[Speed]:
    """Writes 32 streams of 48 tokens with each sampling in turn."""
    rounds: list[dict[str, float]] = []
    for _ in range(_ROUNDS):
        speeds = {}
        for sampling in SAMPLINGS:
            began = time.perf_counter()
            answers = await write_all(generator, requests(sampling, 32 * ANSWER_TOKENS), 32)
            speeds[sampling] = sum(map(len, answers)) / (time.perf_counter() - began)
        rounds.append(speeds)
    return [
        Speed(
            engine=engine, sampling=sampling,
            tokens_per_s=median(speeds[sampling] for speeds in rounds),
            of_greedy=median(speeds[sampling] / speeds["greedy"] for speeds in rounds),
        )
        for sampling in SAMPLINGS
    ]  # fmt: skip


async def measure(num_tokens: int, model: str) -> tuple[list[Row], list[Speed]]:
    """Runs both engines, one after the other."""
    references: dict[str, list[Answer]] = {}
    rows, speeds = [], []
    engines: tuple[EngineName, ...] = ("transformers", "vllm")
    for engine in engines:
        config = GeneratorConfig(model=model, engine=engine, engine_options=_OPTIONS[engine])
        generator = await asyncio.to_thread(Generator, config, cache=models_folder())
        await write_all(generator, requests("nucleus", 32 * ANSWER_TOKENS), 32)  # warm
        speeds += await time_samplings(engine, generator)
        rows += await compare(engine, generator, num_tokens, references)
        await asyncio.to_thread(generator.close)
    return rows, speeds


def show(rows: Sequence[Row], speeds: Sequence[Speed]) -> None:
    """Prints the tables."""
    table = Table("engine", "sampling", "batch", "tokens compared", "answers that differ")
    for row in rows:
        table.add_row(
            row.engine, row.sampling, str(row.batch), f"{row.num_tokens:,}",
            f"{row.num_differing} of {row.num_answers}",
        )  # fmt: skip
    Console().print(table)
    table = Table("engine", "sampling", "tokens/s", "of greedy")
    for one in speeds:
        table.add_row(one.engine, one.sampling, f"{one.tokens_per_s:.0f}", f"{one.of_greedy:.2f}x")
    Console().print(table)


def main() -> None:
    """Measures, prints and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, default=10_000, help="tokens of each row")
    parser.add_argument("--model", default=str(ROOT / "models/bundled/generator-full"))
    parser.add_argument("--out", type=Path, help="writes the rows as JSON")
    arguments = parser.parse_args()
    rows, speeds = asyncio.run(measure(arguments.tokens, arguments.model))
    show(rows, speeds)
    if arguments.out is not None:
        report = {"rows": list(map(asdict, rows)), "speeds": list(map(asdict, speeds))}
        arguments.out.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
