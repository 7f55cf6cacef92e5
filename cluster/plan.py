"""Tells what a Serve config would do, before it does it.

    python -m cluster.plan cluster.yaml                               lint, memory, licences
    python -m cluster.plan cluster.yaml --nodes nodes.yaml            ... places, losses, cost
    python -m cluster.plan cluster.yaml --nodes nodes.yaml --latency 5 --rate 2 --answer 200
    python -m cluster.plan cluster.yaml --against http://127.0.0.1:8265    ... what changes

Exit status: 0 good; 1 the server would refuse the config; 2 wrong options; 3 it does not run on
these machines; 4 no number of replicas reaches the latency, or more than the config allows.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray
from rich.console import Console

from cluster.planning.calibration import read_calibration
from cluster.planning.checkpoints import known_models
from cluster.planning.nodes import Machines, read_machines, running_machines
from cluster.planning.planned import Plan, as_json, make_plan
from cluster.planning.report import print_plan
from cluster.planning.running import running_config
from cluster.planning.wanted import Wanted, boundaries
from deployments.state import models_folder, state_folder
from graphs.errors import ConfigError
from graphs.serve_config.config_file import parse_config_file
from graphs.serve_config.differences import differences
from graphs.serve_config.reader import parse_serve_config, read_text
from models.errors import InvalidInputError

GOOD, REFUSED, NO_PLACE, TOO_SLOW = 0, 1, 3, 4


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the plan; gives the exit status of the module's docstring."""
    parser = _parser()
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 160)
    try:
        wanted = _wanted(parser, options)
        text = read_text(options.config)
        config = parse_serve_config(text, str(options.config))
        plan = make_plan(
            parse_config_file(text, str(options.config)), config, _machines(options),
            models=models_folder(), known=known_models(*options.models),
            commercial=options.commercial,
        )  # fmt: skip
        if wanted is not None:
            measured = read_calibration(options.calibration)
            plan = replace(plan, boundaries=boundaries(wanted, measured))
        if options.against is not None:
            running = running_config(options.against)
            value = parse_config_file(text, str(options.config)).value
            changes = differences(running, value, name=config.application)
            plan = replace(plan, differences=tuple(changes))
    except (ConfigError, InvalidInputError) as err:
        _refuse(console, str(err), as_text=not options.json)
        return REFUSED
    if options.json:
        sys.stdout.write(json.dumps(as_json(plan), indent=2) + "\n")
    else:
        print_plan(console, plan, wanted)
    return _status(plan)


def _refuse(console: Console, message: str, *, as_text: bool) -> None:
    if as_text:
        console.print(message, style="red", markup=False, highlight=False, soft_wrap=True)
    else:
        sys.stdout.write(json.dumps({"faults": message.splitlines()}, indent=2) + "\n")


def _status(plan: Plan) -> int:
    if plan.faults:
        return NO_PLACE
    for one in plan.boundaries:
        allowed = sum(
            found.most
            for name, found in plan.replicas.items()
            if name.rstrip("0123456789") == one.deployment
        )
        if one.replicas is None or one.replicas > allowed:
            return TOO_SLOW
    return GOOD


def _machines(options: argparse.Namespace) -> Machines | None:
    """From the file, from a cluster that runs, or none.

    Raises:
        ConfigError: there is neither.
    """
    if options.nodes is not None:
        return read_machines(options.nodes)
    if options.address is None:
        return None
    try:
        ray.init(options.address, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, RuntimeError, ValueError) as err:
        raise ConfigError(f"no Ray cluster at {options.address}: {err}") from err
    try:
        nodes: list[Mapping[str, Any]] = ray.nodes()
        return running_machines(nodes)
    finally:
        ray.shutdown()


def _wanted(parser: argparse.ArgumentParser, options: argparse.Namespace) -> Wanted | None:
    if options.latency is None and options.rate is None:
        return None
    if options.latency is None or options.rate is None:
        parser.error("--latency and --rate are given together")
    return Wanted(
        latency_s=options.latency, rate=options.rate, prompt_tokens=options.prompt,
        answer_tokens=options.answer, users=options.users,
    )  # fmt: skip


def seconds(text: str) -> float:
    """`1s`, `800ms` or `1.5`."""
    scale = 0.001 if text.endswith("ms") else 1.0
    return float(text.removesuffix("s").removesuffix("m")) * scale


def rate(text: str) -> float:
    """`20/s`, `90/min` or `20`, a second."""
    scale = 60.0 if text.endswith("/min") else 1.0
    return float(text.removesuffix("/min").removesuffix("/s")) / scale


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m cluster.plan", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    option = parser.add_argument
    option("config", type=Path, metavar="CONFIG", help="such as cluster.yaml")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--nodes", type=Path, metavar="FILE", help="node types with their prices, "
                       "as cluster/launch/nodes.yaml")  # fmt: skip
    where.add_argument("--address", help="the nodes of a Ray cluster that runs, such as `auto`")
    option("--models", type=Path, action="append", default=[], metavar="FILE",
           help="sizes of more models, as cluster/planning/known_models.yaml")  # fmt: skip
    option("--against", metavar="FILE_OR_URL", help="what runs: another config, or the dashboard")
    option("--latency", type=seconds, help="until 95 of 100 answers are whole, such as 5s")
    option("--rate", type=rate, help="questions, such as 20/s")
    option("--prompt", type=int, default=1000, metavar="TOKENS", help="(%(default)s)")
    option("--answer", type=int, default=200, metavar="TOKENS", help="(%(default)s)")
    option("--users", type=int, default=0, help="that ask at once; 0: any number")
    option("--calibration", type=Path, default=state_folder() / "calibration.json",
           metavar="FILE", help="what cluster.calibrate kept (%(default)s)")  # fmt: skip
    option("--commercial", action="store_true", help="refuse licences that forbid commercial use")
    option("--json", action="store_true", help="for programs")
    return parser


if __name__ == "__main__":
    sys.exit(main())
