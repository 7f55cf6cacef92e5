"""`python -m cluster.spot_mix`: enough machines while spot comes and goes.

Asks Ray's autoscaler for spot machines and, for each of them that is not there, for one on demand
until it is: SkyServe's dynamic fallback (Mao et al., EuroSys 2025). Every spot machine that was
lost lately is one more to ask for, so that the next loss leaves enough. Machines on demand that are
no longer needed are drained as a spot notice would: their replicas start elsewhere first.

It runs once in a cluster whose autoscaler has both kinds of machines, by the label
ray.io/market-type. What it asked for last stands when it ends; `--release` takes it back.
`python -m benchmarks.spot_mix` tells what it costs and keeps ready on published traces.

Exit status: 0 ended by Ctrl-C or SIGTERM; 1 Ray is not there or cannot drain; 2 wrong arguments.
"""

import argparse
import logging
import math
import os
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from cluster.drain import DrainError, NodeState, check_ray, connect, living_nodes
from cluster.interrupts import interruptible
from graphs.serve_config.places import MARKET, ON_DEMAND, SPOT

_DRAIN_S = 120.0  # that replicas of a machine that is let go have to move
_RAY_DOWN_S = 5.0  # between two tries to reach Ray

_logger = logging.getLogger("cluster.spot_mix")


@dataclass(frozen=True, kw_only=True)
class MixSettings:
    """How many machines, and of which kind.

    Attributes:
        target: machines that the models need, of both kinds together.
        least_on_demand: of them always on demand.
        most_spare: spot machines at most beyond the target.
        memory_s: so long a lost spot machine is reckoned with.
        settle_s: so long spot must have been enough before machines on demand are let go.
    """

    target: int
    least_on_demand: int = 0
    most_spare: int = 1
    memory_s: float = 3600.0
    settle_s: float = 600.0

    def __post_init__(self) -> None:
        """Checks the ranges.

        Raises:
            ValueError: one is wrong; the message names it.
        """
        for name in ("most_spare", "memory_s", "settle_s"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} must be 0 or more, got {value}")
        if not 0 <= self.least_on_demand <= self.target or self.target < 1:
            msg = "target must be at least 1 and least_on_demand between 0 and it, got "
            raise ValueError(f"{msg}{self.target} and {self.least_on_demand}")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """So many machines of each kind."""

    spot: int
    on_demand: int


class Mix:
    """Decides, from which spot machines are ready, how many of each kind are wanted."""

    def __init__(self, settings: MixSettings) -> None:
        self._settings = settings
        self._spot: frozenset[str] = frozenset()
        self._losses: deque[float] = deque()
        self._fallback = 0
        self._short_at_s = -math.inf

    def wanted(self, now_s: float, ready_spot: Set[str]) -> Wanted:
        """Looks at the spot machines that are ready; one that is told to leave is not.

        Args:
            now_s: on a clock that only goes forwards.
            ready_spot: their ids.
        """
        settings = self._settings
        self._losses.extend(now_s for _ in self._spot - ready_spot)
        self._spot = frozenset(ready_spot)
        while self._losses and self._losses[0] <= now_s - settings.memory_s:
            self._losses.popleft()
        rest = settings.target - settings.least_on_demand
        missing = max(0, rest - len(ready_spot))
        if missing >= self._fallback and missing:
            self._fallback, self._short_at_s = missing, now_s
        elif now_s - self._short_at_s >= settings.settle_s:
            self._fallback = missing
        spare = min(settings.most_spare, len(self._losses)) if rest else 0
        return Wanted(spot=rest + spare, on_demand=settings.least_on_demand + self._fallback)


@dataclass(frozen=True, kw_only=True)
class Machines:
    """Nodes of the cluster that are ready: hex ids, the oldest first."""

    spot: tuple[str, ...]
    on_demand: tuple[str, ...]


class Cluster:
    """A Ray cluster with an autoscaler.

    Args:
        address: of GCS, `host:port`.
        shape: resources that every machine of the models has at least, `{"GPU": 4}`.
    """

    def __init__(self, address: str, shape: Mapping[str, float]) -> None:
        self._address = address
        self._shape = shape

    def connect(self) -> None:
        """Joins the cluster as a driver, which asking its autoscaler needs.

        Raises:
            DrainError: GCS does not answer at the address.
        """
        import ray

        living_nodes(self._address)  # Ray itself waits for minutes
        ray.init(
            address=self._address, log_to_driver=False, logging_level=logging.ERROR,
            ignore_reinit_error=True,
        )  # fmt: skip

    def machines(self) -> Machines:
        """Lists the machines that are there and not about to leave.

        Raises:
            DrainError: GCS does not answer.
        """
        kinds: dict[str, list[str]] = {SPOT: [], ON_DEMAND: []}
        for node in living_nodes(self._address):
            kind = node.labels.get(MARKET)
            fits = all(node.resources.get(name, 0) >= value for name, value in self._shape.items())
            if kind in kinds and fits and not node.is_draining and not node.is_head:
                kinds[kind].append(node.node_id)
        return Machines(spot=tuple(kinds[SPOT]), on_demand=tuple(kinds[ON_DEMAND]))

    def ask(self, wanted: Wanted) -> None:
        """Tells the autoscaler how many machines of each kind there must be at least."""
        from ray.autoscaler.sdk import request_resources

        kinds = [SPOT] * wanted.spot + [ON_DEMAND] * wanted.on_demand
        request_resources(
            bundles=[dict(self._shape) for _ in kinds],
            bundle_label_selectors=[{MARKET: kind} for kind in kinds],
        )

    def let_go(self, node_id: str) -> NodeState:
        """Drains a machine: its replicas start elsewhere, then it leaves.

        Raises:
            DrainError: the machine is as it was.
        """
        node = connect(self._address, node_id)
        return node.drain("spot machines are enough again", time.time() + _DRAIN_S)


def keep(cluster: Cluster, mix: Mix, *, poll_s: float) -> None:
    """Keeps the mix until it is interrupted."""
    asked: Wanted | None = None
    while True:
        try:
            asked = step(cluster, mix, asked, time.monotonic())
        except DrainError as err:
            _logger.warning("Ray does not answer, trying again in %g s: %s", _RAY_DOWN_S, err)
            asked = None
            time.sleep(_RAY_DOWN_S)
            continue
        time.sleep(poll_s)


def step(cluster: Cluster, mix: Mix, asked: Wanted | None, now_s: float) -> Wanted:
    """Looks once, asks for what is wanted where that has changed, and lets one machine go.

    Raises:
        DrainError: Ray does not answer, or does not drain.
    """
    machines = cluster.machines()
    wanted = mix.wanted(now_s, frozenset(machines.spot))
    if wanted != asked:
        _logger.info(
            "spot %s of %s, on demand %s of %s", len(machines.spot), wanted.spot,
            len(machines.on_demand), wanted.on_demand,
        )  # fmt: skip
        cluster.ask(wanted)
    if len(machines.on_demand) > wanted.on_demand:
        newest = machines.on_demand[-1]
        _logger.info("letting go of %s, which is on demand", newest)
        cluster.let_go(newest)
    return wanted


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line."""
    options = _options(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    cluster = Cluster(options.address, options.shape)
    try:
        check_ray()
        cluster.connect()  # Ray has a way of its own to end by SIGTERM, which must not be the last
        with interruptible():
            if options.release:
                cluster.ask(Wanted(spot=0, on_demand=0))
                return 0
            keep(cluster, Mix(options.settings), poll_s=options.poll_s)
    except KeyboardInterrupt:
        return 0
    except (DrainError, ConnectionError, ValueError) as err:
        _logger.error("%s", err)
        return 1
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m cluster.spot_mix", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    address = os.environ.get("RAY_ADDRESS", "")
    option = parser.add_argument
    option("--address", default=address, required=not address, help="GCS, host:port")
    option("--shape", type=_shape, required=True, metavar="GPU=4,CPU=8",
           help="what a machine of the models has at least")  # fmt: skip
    option("--target", type=int, default=1, help="machines that the models need (%(default)s)")
    option("--least-on-demand", type=int, default=0, help="of them on demand (%(default)s)")
    option("--most-spare", type=int, default=1, help="spot machines beyond it (%(default)s)")
    option("--memory-s", type=float, default=3600.0, help="of a lost machine (%(default)s)")
    option("--settle-s", type=float, default=600.0,
           help="that spot must have been enough to let others go (%(default)s)")  # fmt: skip
    option("--poll-s", type=float, default=5.0, help="between two looks (%(default)s)")
    option("--release", action="store_true", help="take back what was asked for, and end")
    options = parser.parse_args(arguments)
    try:
        options.settings = MixSettings(
            target=options.target, least_on_demand=options.least_on_demand,
            most_spare=options.most_spare, memory_s=options.memory_s, settle_s=options.settle_s,
        )  # fmt: skip
    except ValueError as err:
        parser.error(str(err))
    if not options.poll_s > 0:
        parser.error(f"--poll-s must be above 0, got {options.poll_s}")
    return options


def _shape(text: str) -> dict[str, float]:
    try:
        shape = {name: float(value) for name, value in (one.split("=") for one in text.split(","))}
    except ValueError as err:
        raise argparse.ArgumentTypeError(f"needs NAME=NUMBER,…, got {text!r}") from err
    if not all(math.isfinite(value) and value > 0 for value in shape.values()):
        raise argparse.ArgumentTypeError(f"every resource must be above 0, got {text!r}")
    return shape


if __name__ == "__main__":
    sys.exit(main())
