"""Streams over HTTP beside the same engine in this process, and drawn answers beside the likeliest.

    .venv-vllm/bin/python -m benchmarks.speed.streams --out streams.json
    .venv/bin/python -m benchmarks.speed.streams --engine transformers
    .venv-vllm/bin/python -m benchmarks.speed.streams --width 1024 --layers 12

This checkout is served with the engine, and the engine is loaded here as well; each writes the same
answers in turn, several rounds, and a ratio is the median over the rounds. What HTTP costs a token
is the same for every model, so of a small one it is the larger part: `--width` makes weights of a
larger one, which nobody trained. Answers are not checked by the safety filter. Beside them an
application of two deployments that do nothing (`bare_serve`) tells what Ray Serve itself takes.

Exit status: 0 measured; 2 it cannot be served; 130 interrupted.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, get_args

import aiohttp
from rich.console import Console
from rich.table import Table

from benchmarks.checkout import ServedCheckout, exit_status
from benchmarks.overhead import ROOT
from benchmarks.progress import progress_bar
from benchmarks.speed.systems import DOCUMENTS
from benchmarks.speed.ways import BARE_PATH, SAMPLINGS, Write, bare, in_process, over_http
from deployments.state import models_folder
from models.engines.loading import EngineName
from models.generator import Generator, GeneratorConfig

HTTP, IN_PROCESS, BARE = "over HTTP", "in process", "bare Ray Serve"
_MODEL = ROOT / "models" / "bundled" / "generator-full"
_LONE = 8  # first tokens a round
_TIMEOUT = aiohttp.ClientTimeout(total=600.0)


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What one way of asking gave in one round.

    Attributes:
        way: `HTTP`, `IN_PROCESS` or `BARE`.
        tokens_per_s: of all streams together.
        first_ms: median time to the first token of a stream that is alone; None where it was not
            measured.
    """

    way: str
    sampling: str
    tokens_per_s: float
    first_ms: float | None


@dataclass(frozen=True, kw_only=True)
class Load:
    """What is asked: so many streams at once, of so many tokens each."""

    streams: int
    tokens: int


def engine_options(engine: EngineName, streams: int) -> dict[str, Any]:
    """What both engines are loaded with."""
    options = {"dtype": "float32", "max_concurrent_requests": streams}
    return options | ({"cache_tokens": 1024 * streams} if engine == "transformers" else {})


def serve_engine(config: dict[str, Any], *, engine: EngineName, model: str, streams: int) -> None:
    """Changes a config so that the engine serves the model, to as many streams at once."""
    blocks = {one["name"]: one for one in config["applications"][0]["deployments"]}
    blocks["Generator"]["max_ongoing_requests"] = streams
    blocks["Generator"]["user_config"] |= {
        "model": model,
        "engine": engine,
        "allow_cpu": True,
        "engine_options": engine_options(engine, streams),
    }
    blocks["Gateway"]["user_config"] |= {
        "answers": "free",
        "safety": {"check_question": False, "check_answer": False},
    }
    config["applications"].append({
        "name": "bare", "route_prefix": BARE_PATH,
        "import_path": "benchmarks.speed.bare_serve:build",
    })  # fmt: skip


def made_model(folder: Path, *, width: int, layers: int) -> str:
    """Makes weights of the bundled generator's family, with its tokenizer; nobody trained them."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    config = AutoConfig.from_pretrained(_MODEL)
    config.update({
        "hidden_size": width, "intermediate_size": 3 * width, "num_hidden_layers": layers,
        "num_attention_heads": width // 64, "num_key_value_heads": width // 64, "head_dim": 64,
    })  # fmt: skip
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(folder)
    AutoTokenizer.from_pretrained(_MODEL).save_pretrained(folder)
    return str(folder)


async def turn(way: str, sampling: str, write: Write, load: Load) -> Turn:
    """Writes all streams at once, then the likeliest answers also one by one."""
    began = time.perf_counter()
    written = await asyncio.gather(
        *(write(number, sampling, load.tokens) for number in range(load.streams))
    )
    tokens_per_s = sum(tokens for tokens, _ in written) / (time.perf_counter() - began)
    first_ms = None
    if sampling == "likeliest":
        lone = [(await write(number, sampling, 2))[1] for number in range(_LONE)]
        first_ms = 1000 * median(lone)
    return Turn(way=way, sampling=sampling, tokens_per_s=tokens_per_s, first_ms=first_ms)


async def measure(ways: dict[str, Write], load: Load, rounds: int) -> list[list[Turn]]:
    """Lets the ways take turns; what comes first changes every round."""
    taken = []
    orders = list(ways.items())
    with progress_bar("turns", (rounds + 1) * len(ways) * len(SAMPLINGS)) as advance:
        for number in range(rounds + 1):
            turns = []
            for way, write in orders[:: -1 if number % 2 else 1]:
                for sampling in SAMPLINGS:
                    turns.append(await turn(way, sampling, write, load))
                    advance(1)
            taken.append(turns)
    return taken[1:]  # the first one warms


def ratios(taken: Sequence[Sequence[Turn]]) -> dict[str, float]:
    """Medians over the rounds: of HTTP to in process, of drawn to likeliest, and ms to a token."""
    rounds = [{(one.way, one.sampling): one for one in turns} for turns in taken]

    def share(above: tuple[str, str], below: tuple[str, str]) -> float:
        return median(one[above].tokens_per_s / one[below].tokens_per_s for one in rounds)

    found = {
        f"{sampling}, {HTTP} to {IN_PROCESS}": share((HTTP, sampling), (IN_PROCESS, sampling))
        for sampling in SAMPLINGS
    }
    found |= {
        f"{sampling} to likeliest, {way}": share((way, sampling), (way, "likeliest"))
        for way in (HTTP, IN_PROCESS)
        for sampling in SAMPLINGS
        if sampling != "likeliest"
    }
    first = [
        {way: one[way, "likeliest"].first_ms or 0.0 for way in (HTTP, IN_PROCESS, BARE)}
        for one in rounds
    ]
    beyond = median(one[HTTP] - one[IN_PROCESS] for one in first)
    return found | {
        "ms to the first token beyond in process": beyond,
        "of them Ray Serve's own": median(one[BARE] for one in first),
    }


def show(taken: Sequence[Sequence[Turn]], console: Console) -> None:
    """Prints the figures and their ratios."""
    table = Table("way", "sampling", "tokens/s", "first token, ms")
    every = [one for turns in taken for one in turns]
    for way, sampling in dict.fromkeys((one.way, one.sampling) for one in every):
        same = [one for one in every if (one.way, one.sampling) == (way, sampling)]
        first = [one.first_ms for one in same if one.first_ms is not None]
        speed = median(one.tokens_per_s for one in same)
        table.add_row(way, sampling, f"{speed:.0f}", f"{median(first):.1f}" if first else "-")
    console.print(table)
    for name, value in ratios(taken).items():
        console.print(f"{name}: {value:.2f}", highlight=False)


async def _ask(url: str, arguments: argparse.Namespace, model: str) -> list[list[Turn]]:
    load = Load(streams=arguments.streams, tokens=arguments.tokens)
    config = GeneratorConfig(
        model=model, engine=arguments.engine,
        engine_options=engine_options(arguments.engine, load.streams),
    )  # fmt: skip
    generator = await asyncio.to_thread(Generator, config, cache=models_folder())
    try:
        async with aiohttp.ClientSession(
            url, timeout=_TIMEOUT, connector=aiohttp.TCPConnector(limit=0)
        ) as session:
            ways = {
                HTTP: over_http(session), IN_PROCESS: in_process(generator), BARE: bare(session),
            }  # fmt: skip
            return await measure(ways, load, arguments.rounds)
    finally:
        await asyncio.to_thread(generator.close)


def _run(arguments: argparse.Namespace, console: Console) -> bool:
    with tempfile.TemporaryDirectory(prefix="streams-") as folder:
        model = str(_MODEL)
        if arguments.width:
            model = made_model(Path(folder), width=arguments.width, layers=arguments.layers)
        edit = partial(
            serve_engine, engine=arguments.engine, model=model, streams=arguments.streams
        )
        console.print("starting a system; this takes a minute")
        with ServedCheckout(
            path=ROOT, documents=DOCUMENTS, edit=edit, variables={"VLLM_CPU_KVCACHE_SPACE": "1"}
        ) as served:
            taken = asyncio.run(_ask(served.url, arguments, model))
    show(taken, console)
    if arguments.out is not None:
        rounds = [[*map(asdict, turns)] for turns in taken]
        report = {"ratios": ratios(taken), "rounds": rounds}
        arguments.out.write_text(json.dumps(report, indent=2) + "\n")
    return True


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed.streams", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    option = parser.add_argument
    option("--engine", choices=get_args(EngineName), default="vllm", help="(%(default)s)")
    option("--streams", type=int, default=32, help="at once (%(default)s)")
    option("--tokens", type=int, default=64, help="of each answer (%(default)s)")
    option("--rounds", type=int, default=5, help="(%(default)s)")
    option("--width", type=int, default=0, help="of a model that is made, a multiple of 64")
    option("--layers", type=int, default=12, help="of it (%(default)s)")
    option("--out", type=Path, help="writes ratios and rounds as JSON")
    arguments = parser.parse_args()
    for name in ("streams", "tokens", "rounds", "layers"):
        if getattr(arguments, name) < 1:
            parser.error(f"--{name} must be at least 1, got {getattr(arguments, name)}")
    if arguments.width < 0 or arguments.width % 64:
        parser.error(f"--width must be a multiple of 64, got {arguments.width}")
    console = Console()
    sys.exit(exit_status(lambda: _run(arguments, console), console))


if __name__ == "__main__":
    main()
