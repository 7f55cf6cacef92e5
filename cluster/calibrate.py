"""Measures what one replica of each model of a running system does, for `python -m cluster.plan`.

    python -m cluster.calibrate http://127.0.0.1:8000 --config local.yaml
    python -m cluster.calibrate URL --config cluster.yaml --questions questions.txt

Ask a system that is idle and has one replica of each model; it takes about a minute. Questions are
asked one after the other, and the server tells what each spent at which model; without
`--questions` they are made of passages that a search finds. A generator that writes is asked for
answers of known lengths, too. `OPENAI_API_KEY` is sent where the server wants keys.
"""

import argparse
import asyncio
import os
import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
from rich.console import Console

from cluster.planning.calibration import write_calibration
from cluster.planning.measuring import TIMEOUT_S, Asked, Measured, NotMeasuredError, measure
from deployments.state import state_folder
from graphs.errors import ConfigError
from graphs.serve_config.reader import read_serve_config


async def _measured(options: argparse.Namespace) -> Measured:
    key = os.environ.get("OPENAI_API_KEY")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(
        base_url=options.url.rstrip("/").removesuffix("/v1"), headers=headers, limits=limits,
        timeout=TIMEOUT_S,
    ) as client:  # fmt: skip
        return await measure(client, _asked(options))


def _asked(options: argparse.Namespace) -> Asked:
    """Names and sizes of the Serve config, and the questions.

    Raises:
        ConfigError: it has faults, or the questions cannot be read.
    """
    config = read_serve_config(options.config)
    slots = config.blocks["Generator"].deployment.max_ongoing_requests
    return Asked(
        names=config.gateway.served_names, writes=config.gateway.answers == "free",
        slots=int(slots), answer_tokens=options.answer, questions=_questions(options.questions),
        store=options.store or config.gateway.http.default_store,
    )  # fmt: skip


def _questions(path: Path | None) -> tuple[str, ...]:
    if path is None:
        return ()
    try:
        found = tuple(line.strip() for line in path.read_text().splitlines() if line.strip())
    except (OSError, UnicodeDecodeError) as err:
        raise ConfigError(f"{path}: {err}") from err
    if not found:
        raise ConfigError(f"{path}: no question stands in it")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and keeps the figures; gives 1 when the server does not answer."""
    parser = argparse.ArgumentParser(
        prog="python -m cluster.calibrate", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    option = parser.add_argument
    option("url", metavar="URL", help="of the server, such as http://127.0.0.1:8000")
    option("--config", type=Path, required=True, metavar="FILE", help="what it serves")
    option("--questions", type=Path, metavar="FILE", help="of your users, one a line")
    option("--store", metavar="NAME", help="whose passages are asked about (default_store)")
    option("--answer", type=int, default=32, metavar="TOKENS", help="measured (%(default)s)")
    option("--out", type=Path, default=state_folder() / "calibration.json", metavar="FILE",
           help="(%(default)s)")  # fmt: skip
    options = parser.parse_args(arguments)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    try:
        found = asyncio.run(_measured(options))
    except (NotMeasuredError, ConfigError, httpx.InvalidURL) as err:
        console.print(f"{options.url}: {err}", style="red")
        return 1
    try:
        write_calibration(options.out, found.calibration)
    except OSError as err:
        console.print(f"{options.out}: {err}", style="red")
        return 1
    for line in _told(found):
        console.print(line)
    console.print(f"kept in {options.out}")
    return 0


def _told(found: Measured) -> Iterator[str]:
    for name, times in found.calibration.work_s.items():
        what = "a call" if name == "SafetyFilter" else "a question"
        mean, most = 1000 * statistics.mean(times), 1000 * max(times)
        yield f"{name}: {mean:.1f} ms {what}, at most {most:.1f}"
    writing = found.calibration.writing
    if writing is not None:
        yield (
            f"Generator: {writing.prefill_tokens_per_s:.0f} prompt tokens/s; a step of "
            f"{writing.step_s * 1000:.1f} ms, {writing.step_s_per_answer * 1000:.2f} ms more an "
            "answer"
        )
    if found.prompt_tokens:
        yield f"a question has {found.prompt_tokens} prompt tokens (`--prompt` of the plan)"
    for name, load_s in found.calibration.load_s.items():
        yield f"{name}: {load_s:.1f} s to load"


if __name__ == "__main__":
    sys.exit(main())
