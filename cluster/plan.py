"""Tells what a Serve config would do, before it does it.

    python -m cluster.plan cluster.yaml                               lint, memory, licences
    python -m cluster.plan cluster.yaml --nodes nodes.yaml            ... places, losses, cost
    python -m cluster.plan cluster.yaml --nodes nodes.yaml --latency 5 --rate 2 --answer 200
    python -m cluster.plan cluster.yaml --against http://127.0.0.1:8265    ... what changes

Exit status: 0 good; 1 the server would refuse the config; 2 wrong arguments, or what they name
cannot be read; 3 it does not run on these machines, or a size or a licence is not known; 4 no
number of replicas reaches the latency, or more than the config allows.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from cluster.planning.boundaries import boundaries
from cluster.planning.calibration import read_calibration
from cluster.planning.checkpoints import known_models, known_of
from cluster.planning.nodes import Machines, read_machines, running_machines
from cluster.planning.planned import Asked, Plan, as_json, make_plan
from cluster.planning.report import print_plan
from cluster.planning.running import running_config, running_nodes
from cluster.planning.wanted import Calibration, Wanted, calls_of
from deployments.state import models_folder, state_folder
from graphs.errors import ConfigError
from graphs.serve_config.config_file import parse_config_file
from graphs.serve_config.differences import differences
from graphs.serve_config.model_sizes import known_here
from graphs.serve_config.reader import parse_serve_config, read_text
from models.checkpoints.sizes import Sizes
from models.errors import InvalidInputError

GOOD, REFUSED, WRONG_ARGUMENT, NO_PLACE, TOO_SLOW = 0, 1, 2, 3, 4


class WrongArgumentError(Exception):
    """An argument of the command line that is no fault of the config."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the plan; gives the exit status of the module's docstring."""
    parser = _parser()
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 160)
    try:
        wanted = _wanted(parser, options)
        plan = _plan(options, wanted)
    except WrongArgumentError as err:
        _refuse(console, str(err), as_text=not options.json)
        return WRONG_ARGUMENT
    except (ConfigError, InvalidInputError) as err:
        _refuse(console, str(err), as_text=not options.json)
        return REFUSED
    if options.json:
        sys.stdout.write(json.dumps(as_json(plan), indent=2) + "\n")
    else:
        print_plan(console, plan, wanted)
    return _status(plan)


def _plan(options: argparse.Namespace, wanted: Wanted | None) -> Plan:
    """Reads what the options name and makes the plan.

    Raises:
        WrongArgumentError: something that they name cannot be read.
        ConfigError: the server would refuse the config.
    """
    with _named_by_an_argument():
        text = read_text(options.config)
        known = known_models(*options.models)
        measured = _measured(options, wanted)
        machines = _machines(options)
        running = None if options.against is None else running_config(options.against)

    def sizes_of(model: str, revision: str | None) -> Sizes | None:
        return known_here(model, revision) or known_of(model, known)

    config = parse_serve_config(text, str(options.config), sizes_of)
    file = parse_config_file(text, str(options.config))
    asked = Asked(
        models=models_folder(), known=known, commercial=options.commercial,
        allowed_licences=frozenset(options.allow_licence),
        load_s={} if measured is None else measured.load_s,
    )  # fmt: skip
    plan = make_plan(file, config, machines, asked)
    if wanted is not None and measured is not None:
        wanted = replace(wanted, calls=calls_of(config.gateway, wanted.answer_tokens))
        plan = replace(plan, boundaries=boundaries(wanted, measured))
    if running is not None:
        changes = differences(running, file.value, name=config.application)
        plan = replace(plan, differences=tuple(changes))
    return plan


@contextmanager
def _named_by_an_argument() -> Iterator[None]:
    """Faults in here are those of the command line."""
    try:
        yield
    except (ConfigError, InvalidInputError) as err:
        raise WrongArgumentError(str(err)) from err


def _measured(options: argparse.Namespace, wanted: Wanted | None) -> Calibration | None:
    """What was measured; it must have been where a latency is asked for.

    Raises:
        ConfigError: it was not, or cannot be read.
    """
    if wanted is None and not options.calibration.is_file():
        return None
    try:
        return read_calibration(options.calibration)
    except ConfigError as err:
        if wanted is not None:
            raise
        sys.stderr.write(f"times to load are not known: {err}\n")
        return None


def _refuse(console: Console, message: str, *, as_text: bool) -> None:
    if as_text:
        console.print(message, style="red", markup=False, highlight=False, soft_wrap=True)
    else:
        sys.stdout.write(json.dumps({"faults": message.splitlines()}, indent=2) + "\n")


def _status(plan: Plan) -> int:
    if plan.faults:
        return NO_PLACE
    for one in plan.boundaries:
        allowed = min(  # every question asks each shard of the Retriever
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
    return None if options.address is None else running_machines(running_nodes(options.address))


def _wanted(parser: argparse.ArgumentParser, options: argparse.Namespace) -> Wanted | None:
    if options.latency is None and options.rate is None:
        return None
    if options.latency is None or options.rate is None:
        parser.error("--latency and --rate are given together")
    with _named_by_an_argument():
        return Wanted(
            latency_s=options.latency, rate=options.rate, prompt_tokens=options.prompt,
            answer_tokens=options.answer, users=options.users,
        )  # fmt: skip


_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def seconds(text: str) -> float:
    """`1s`, `800ms`, `5m` (minutes) or `1.5`."""
    return _number(text, _SECONDS, "s")


def rate(text: str) -> float:
    """`20/s`, `90/min`, `500/h` or `20`, a second."""
    count, _, unit = text.partition("/")
    if unit and unit not in _SECONDS:
        raise argparse.ArgumentTypeError(f"no unit of time is {unit!r}: {', '.join(_SECONDS)}")
    return _number(count, {"": 1.0}, "") / _SECONDS[unit or "s"]


def _number(text: str, units: Mapping[str, float], default: str) -> float:
    found = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([a-z]*)\s*", text)
    if found is None or (found[2] or default) not in units:
        known = ", ".join(filter(None, units))
        raise argparse.ArgumentTypeError(
            f"{text!r} is no number{known and f' with one of {known}'}"
        )
    return float(found[1]) * units[found[2] or default]


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
    option(
        "--commercial",
        action="store_true",
        help="refuse licences that forbid commercial use, and those that are not known",
    )
    option(
        "--allow-licence",
        action="append",
        default=[],
        metavar="NAME",
        help="with --commercial, of a licence or a model that somebody has looked at",
    )
    option("--json", action="store_true", help="for programs")
    return parser


if __name__ == "__main__":
    sys.exit(main())
