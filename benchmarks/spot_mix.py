"""Which mix of machines costs what and is ready how often: `python -m benchmarks.spot_mix FOLDER`.

Plays traces of how many spot machines a cloud gave, tick by tick, to `cluster.spot_mix` and to
mixes that never change:

    on demand      all of them
    spot           all of them; half: every second one
    spot + spare   all of them, and one more
    fallback       `cluster.spot_mix`, without and with machines kept on demand or a spare one

FOLDER holds files in the form of github.com/skypilot-org/spot-traces (Wu et al., NSDI 2024):
`{"metadata": {"gap_seconds": 300}, "data": [4, 4, 3, ...]}`. `--target` machines are needed; of
traces with more, so many that half of them are. A machine takes `--start-s` from being asked for
to being ready, loading its model included; one that the cloud takes away is gone at once, so what
notices save is not counted.

Told, over all traces: the share of time at which at least the target was ready, the mean share
of the target that was, and the cost, of which 1 is the target on demand all the time.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

from rich.console import Console
from rich.table import Table

from benchmarks.progress import progress_bar
from cluster.spot_mix import Mix, MixSettings, Wanted

_STEP_S = 30.0


class TraceError(ValueError):
    """A file is no trace; the message names it."""


@dataclass(frozen=True, kw_only=True)
class Trace:
    """How many spot machines a cloud would give.

    Attributes:
        gap_s: from one number to the next.
        available: machines at most, at each tick.
    """

    name: str
    gap_s: float
    available: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a policy had of a trace.

    Attributes:
        ready: share of time at which the target was ready.
        share: mean share of the target that was ready.
        cost: to that of the target on demand.
        losses: spot machines that were taken away.
    """

    ready: float
    share: float
    cost: float
    losses: int


@dataclass
class _Group:
    """Machines of one kind: when each is ready, and an id of its own; the oldest first."""

    ready_at_s: list[tuple[float, str]] = field(default_factory=list)
    num_made: int = 0

    def grow(self, number: int, ready_at_s: float) -> None:
        for _ in range(number):
            self.num_made += 1
            self.ready_at_s.append((ready_at_s, str(self.num_made)))

    def shrink(self, number: int, now_s: float) -> int:
        """Ends so many, the newest first; gives how many of them were ready."""
        ended = self.ready_at_s[len(self.ready_at_s) - number :] if number > 0 else []
        del self.ready_at_s[len(self.ready_at_s) - len(ended) :]
        return sum(at_s <= now_s for at_s, _ in ended)

    def ready(self, now_s: float) -> frozenset[str]:
        return frozenset(name for at_s, name in self.ready_at_s if at_s <= now_s)

    def __len__(self) -> int:
        return len(self.ready_at_s)


Policy = Callable[[float, frozenset[str]], Wanted]


def policies(target: int) -> Mapping[str, Callable[[], Policy]]:
    """Gives every policy by name; each call makes one that has seen nothing."""

    def static(spot: int, on_demand: int) -> Callable[[], Policy]:
        return lambda: lambda now_s, ready: Wanted(spot=spot, on_demand=on_demand)

    def fallback(least: int, spare: int) -> Callable[[], Policy]:
        settings = MixSettings(target=target, least_on_demand=least, most_spare=spare)
        return lambda: Mix(settings).wanted

    half, quarter = target // 2, max(1, target // 4)
    return {
        "on demand": static(0, target),
        "spot": static(target, 0),
        "spot + 1 spare": static(target + 1, 0),
        "half spot": static(target - half, half),
        "fallback": fallback(0, 0),
        "fallback, a quarter on demand": fallback(quarter, 0),
        "fallback, 1 spare": fallback(0, 1),
        "fallback, both": fallback(quarter, 1),
    }


def played(
    trace: Trace, policy: Policy, *, target: int, start_s: float, spot_price: float
) -> Outcome:
    """Plays a trace.

    Args:
        trace: what the cloud gives.
        policy: what is asked for, by what is ready.
        target: machines that are needed.
        start_s: from being asked for to being ready.
        spot_price: of a spot machine, to one on demand.
    """
    spot, on_demand = _Group(), _Group()
    ready, shares, cost, losses = 0, 0.0, 0.0, 0
    steps = round(len(trace.available) * trace.gap_s / _STEP_S)
    for step in range(steps):
        now_s = step * _STEP_S
        tick = min(int(now_s / trace.gap_s), len(trace.available) - 1)
        losses += spot.shrink(max(0, len(spot) - trace.available[tick]), now_s)
        wanted = policy(now_s, spot.ready(now_s))
        most = min(wanted.spot, trace.available[tick])
        for group, number in ((spot, most), (on_demand, wanted.on_demand)):
            group.shrink(max(0, len(group) - number), now_s)
            group.grow(max(0, number - len(group)), now_s + start_s)
        num_ready = len(spot.ready(now_s)) + len(on_demand.ready(now_s))
        ready += num_ready >= target
        shares += min(1.0, num_ready / target)
        cost += len(spot) * spot_price + len(on_demand)
    return Outcome(
        ready=ready / steps, share=shares / steps, cost=cost / steps / target, losses=losses
    )


def read_traces(folder: Path) -> list[Trace]:
    """Reads every trace below a folder.

    Raises:
        TraceError: a file is none, or there is no file.
    """
    traces = []
    for path in sorted(folder.rglob("*.json")):
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
            gap_s = float(value["metadata"]["gap_seconds"])
            available = tuple(int(one) for one in value["data"])
        except (OSError, ValueError, KeyError, TypeError) as err:
            raise TraceError(f"{path} is no trace: {err!r}") from err
        if gap_s <= 0 or not available or min(available) < 0:
            raise TraceError(f"{path}: needs gap_seconds above 0 and data of 0 or more")
        name = str(path.relative_to(folder).with_suffix(""))
        traces.append(Trace(name=name, gap_s=gap_s, available=available))
    if not traces:
        raise TraceError(f"{folder} holds no *.json")
    return traces


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; 0, or 2 where there are no traces."""
    options = _options(arguments)
    console = Console()
    try:
        traces = read_traces(options.traces)
    except TraceError as err:
        console.print(f"error: {err}", style="red", markup=False, highlight=False, soft_wrap=True)
        return 2
    targets = [max(options.target, max(one.available) // 2) for one in traces]
    outcomes: dict[str, list[Outcome]] = {}
    with progress_bar("playing", len(traces)) as advance:
        for trace, target in zip(traces, targets, strict=True):
            for name, made in policies(target).items():
                outcome = played(
                    trace, made(), target=target, start_s=options.start_s,
                    spot_price=options.spot_price,
                )  # fmt: skip
                outcomes.setdefault(name, []).append(outcome)
            advance(1)
    console.print(_table(outcomes))
    if options.plot:
        _plot(outcomes, options.plot)
    return 0


def _table(outcomes: Mapping[str, Sequence[Outcome]]) -> Table:
    num_traces = len(next(iter(outcomes.values())))
    table = Table(
        "mix", "target ready", "share ready", "cost", "lost", title=f"{num_traces} traces"
    )
    for name, of_it in outcomes.items():
        table.add_row(
            name, f"{fmean(one.ready for one in of_it):.1%}",
            f"{fmean(one.share for one in of_it):.1%}",
            f"{fmean(one.cost for one in of_it):.2f}", str(sum(one.losses for one in of_it)),
        )  # fmt: skip
    return table


def _plot(outcomes: Mapping[str, Sequence[Outcome]], target: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    for name, of_it in outcomes.items():
        marker = "o" if name.startswith("fallback") else "s"
        costs, ready = [one.cost for one in of_it], [one.ready for one in of_it]
        (line,) = axes.plot(fmean(costs), fmean(ready), marker, markersize=10, label=name)
        axes.plot(costs, ready, marker, markersize=4, alpha=0.35, color=line.get_color())
    axes.set_xlabel("cost, of which 1 is all machines on demand")
    axes.set_ylabel("share of time with all machines ready")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small", title="large: mean of the traces, small: each")
    figure.savefig(target, dpi=110)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.spot_mix", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    option = parser.add_argument
    option("traces", type=Path, metavar="FOLDER")
    option("--target", type=int, default=4, help="machines at least (%(default)s)")
    option("--start-s", type=float, default=300.0, help="until a machine is ready (%(default)s)")
    option("--spot-price", type=float, default=0.3, help="to one on demand (%(default)s)")
    option("--plot", type=Path, help="write cost and readiness as a picture")
    options = parser.parse_args(arguments)
    if options.target < 1 or options.start_s < 0 or options.spot_price < 0:
        parser.error("--target must be at least 1, --start-s and --spot-price at least 0")
    return options


if __name__ == "__main__":
    sys.exit(main())
