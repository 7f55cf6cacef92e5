"""`python -m chaos`: faults on purpose in a live system under load, and a report.

With --local it starts a system of its own, a head and three spot nodes with simulated models
behind the real graph, and ends it again. Otherwise it attacks the one at --url. It kills processes
of this machine by their numbers, and nothing that the cluster at --dashboard does not name.
"""

import argparse
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from chaos.arena import Arena, Size
from chaos.errors import ChaosError, TargetError
from chaos.fleet import Fleet
from chaos.runner import Runner
from chaos.scenarios.node_scenarios import NoticeSettings
from chaos.scenarios.scenarios import Scenario, scenarios
from chaos.target import System, refuse_remote
from cluster.interrupts import interruptible

_EPILOG = """
Exit status: 0 everything was seen that must be; 1 something was not; 2 the run proves nothing (a
wrong target, a fault that cannot be proven, a system that fails undisturbed); 130 interrupted.
"""
_RESTART_S = 300.0


class CommandKeeper:
    """Starts nodes by a command of whoever runs the system; `{node_id}` in it is the lost one."""

    def __init__(self, command: str) -> None:
        self._command = command

    def replace_node(self, node_id: str) -> None:
        """Runs the command.

        Raises:
            ChaosError: it failed.
        """
        words = [word.replace("{node_id}", node_id) for word in shlex.split(self._command)]
        try:
            subprocess.run(words, check=True, timeout=_RESTART_S)
        except (subprocess.SubprocessError, OSError) as err:
            msg = f"--restart-node failed: {err}"
            raise ChaosError(msg) from err


def main() -> None:
    """Runs the command line."""
    arguments = _parse()
    console = Console()
    try:
        with interruptible():
            passed = _run(arguments, console)
    except KeyboardInterrupt:
        console.print("stopped; what this program started is ended")
        sys.exit(130)
    except ChaosError as err:
        console.print(f"[red]{type(err).__name__}: {err}[/red]", highlight=False)
        sys.exit(2)
    sys.exit(0 if passed else 1)


def _run(arguments: argparse.Namespace, console: Console) -> bool:
    chosen = _chosen(arguments)
    if not arguments.local:
        system = _named_system(arguments)
        keeper = CommandKeeper(arguments.restart_node) if arguments.restart_node else None
        return _attack(arguments, chosen, Runner(system, keeper, console))
    console.print("starting a head and three nodes with simulated models; this takes a minute")
    with Fleet(database_url=arguments.database_url) as fleet:
        return _attack(arguments, chosen, Runner(fleet.system, fleet, console))


def _chosen(arguments: argparse.Namespace) -> Mapping[str, Scenario]:
    notice = NoticeSettings(cloud=arguments.cloud, notice_s=arguments.notice_s)
    known = scenarios(notice)
    if arguments.scenario == ["all"]:
        return {name: one for name, one in known.items() if not one.is_long}
    return {name: known[name] for name in arguments.scenario}


def _named_system(arguments: argparse.Namespace) -> System:
    """Checks what was named before anything is sent."""
    for address in (arguments.url, arguments.dashboard, arguments.ray_address):
        refuse_remote(
            address,
            is_allowed=arguments.not_local,
            is_allowed_again=arguments.yes_break_that_system,
        )
    token = arguments.token_file
    if token is not None and not token.is_file():
        msg = f"--token-file {token} is no file"
        raise TargetError(msg)
    return System(
        url=arguments.url.rstrip("/"), dashboard=arguments.dashboard.rstrip("/"),
        ray_address=arguments.ray_address, token_file=token, application=arguments.application,
    )  # fmt: skip


def _attack(arguments: argparse.Namespace, chosen: Mapping[str, Scenario], runner: Runner) -> bool:
    """Runs one scenario after the other; all must pass.

    Raises:
        ChaosError: the target is wrong, or a scenario proved nothing; the others were run.
    """
    runner.check_target(arguments.deployment, arguments.node)
    passed, vain = True, []
    for name, scenario in chosen.items():
        size = _size(arguments, scenario.size)
        arena = Arena(
            system=runner.system, seed=arguments.seed, keeper=runner.keeper,
            node_id=arguments.node, deployment=arguments.deployment,
        )  # fmt: skip
        try:
            report = runner.run(name, replace(scenario, size=size), arena)
        except ChaosError as err:
            vain.append(f"{name}: {err}")
            continue
        runner.tell(report, arguments.out)
        passed = passed and report.passed
    if vain:
        raise ChaosError("; ".join(vain))
    return passed


def _size(arguments: argparse.Namespace, full: Size) -> Size:
    named = {
        "num_requests": arguments.requests,
        "rate": arguments.rate,
        "max_tokens": arguments.max_tokens,
        "num_faults": arguments.faults,
        "num_passages": arguments.passages,
    }
    return replace(full, **{key: value for key, value in named.items() if value is not None})


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m chaos", description=__doc__, epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    names = tuple(scenarios(NoticeSettings()))
    token = os.environ.get("RAY_AUTH_TOKEN_PATH")
    option = parser.add_argument
    option("--local", action="store_true", help="start a system, attack it, end it")
    option("--database-url", help="the corpus of --local; default: a SQLite file of its own")
    option("--url", default="http://127.0.0.1:8000", help="the Gateway (%(default)s)")
    option("--dashboard", default="http://127.0.0.1:8265", help="Ray's REST API (%(default)s)")
    option("--ray-address", default="127.0.0.1:6379", help="GCS, host:port (%(default)s)")
    option("--token-file", type=Path, default=Path(token) if token else None,
           help="Ray's token; default: RAY_AUTH_TOKEN_PATH")  # fmt: skip
    option("--application", default="ragfleet", help="name of the Serve application (%(default)s)")
    option("--scenario", nargs="+", choices=("all", *names), default=["all"], metavar="NAME",
           help=f"all but the last two (default), or some of: {', '.join(names)}")  # fmt: skip
    option("--seed", type=int, default=0, help="the same one repeats a run (%(default)s)")
    option("--out", type=Path, default=Path("chaos-report"), help="reports, plots (%(default)s)")
    option("--requests", type=_positive_int, help="requests or streams in all")
    option("--rate", type=_positive_float, help="requests a second")
    option("--max-tokens", type=_positive_int, help="length of each answer")
    option("--faults", type=_positive_int, help="how many faults")
    option("--passages", type=_positive_int, help="of the store that retriever-kill searches")
    option("--deployment", default="Generator", help="whose replicas replica-kill hits")
    option("--node", metavar="ID", help="the node that is taken away; default: chance decides")
    option("--restart-node", metavar="COMMAND",
           help="starts a node in place of a lost one, whose id is put for {node_id}")  # fmt: skip
    option(
        "--cloud", choices=("aws", "gcp", "azure"), default="aws", help="whose notice drain uses"
    )
    option("--notice-s", type=_positive_float, default=30.0, help="its length (%(default)s s)")
    option("--not-local", action="store_true", help="attack another machine: first consent")
    option("--yes-break-that-system", action="store_true", help="second consent")
    return parser.parse_args()


def _positive_float(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        msg = f"must be above 0, got {text}"
        raise argparse.ArgumentTypeError(msg)
    return value


def _positive_int(text: str) -> int:
    value = int(text)
    if value < 1:
        msg = f"must be at least 1, got {text}"
        raise argparse.ArgumentTypeError(msg)
    return value


if __name__ == "__main__":
    main()
