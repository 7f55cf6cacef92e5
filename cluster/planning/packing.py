"""Where Serve's replicas would stand: Ray's rules of placement, tried in many orders.

Serve asks Ray for each replica by itself, first with `label_selector`, then with each selector of
`fallback_strategy`, and Ray spreads: it goes round the nodes and takes the next one with room. A
share of a GPU comes from one GPU, the fullest that has room, and a whole number from GPUs that are
free altogether. Ray picks the node by the sum of its GPUs, so a replica may wait at a node whose
rest is in pieces, though another has room, until something else happens there (ray-project/ray
issues 20933, 23492, 52133).

Which node comes first is chance, and so is which deployment. A plan therefore tells the worst of
`ORDERS` orders, among them such as are likely to leave a replica waiting. There are more than can
be tried: what it says fits, fits in all that were (docs/planning.md has what others leave).
"""

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from cluster.planning.nodes import Machines, NodeType
from graphs.serve_config.places import fits

_UNIT = 10_000  # Ray counts resources in ten-thousandths
ORDERS = 481


@dataclass(frozen=True, kw_only=True)
class Demand:
    """What every replica of a deployment asks for.

    Attributes:
        name: of the deployment.
        resources: amounts by Ray's names: CPU, GPU, memory and others.
        selectors: of labels, the first choice first; () is any node.
        max_per_node: most replicas on one node; None: as many as fit.
    """

    name: str
    resources: Mapping[str, float]
    selectors: tuple[Mapping[str, str], ...] = ()
    max_per_node: int | None = None

    @cached_property
    def units(self) -> Mapping[str, int]:
        """What it asks for in ten-thousandths, without what it does not."""
        found = {name: round(value * _UNIT) for name, value in self.resources.items()}
        return {name: amount for name, amount in found.items() if amount}

    @property
    def words(self) -> str:
        """What it asks for, for people."""
        return ", ".join(f"{value:g} {key}" for key, value in self.resources.items() if value)


@dataclass(kw_only=True)
class Node:
    """A machine, and what is left of it, in ten-thousandths.

    Attributes:
        kind: the name of its type.
        labels: of the node.
        free: by resource, GPUs left out.
        gpus: what is left of each GPU.
        replicas: the deployments that stand here, one entry a replica.
    """

    kind: str
    labels: Mapping[str, str]
    free: dict[str, int]
    gpus: list[int]
    replicas: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, kind: str, node_type: NodeType) -> "Node":
        """An empty machine of a type."""
        offered = {name: round(value * _UNIT) for name, value in node_type.offered().items()}
        gpus = [_UNIT] * (offered.pop("GPU") // _UNIT)
        return cls(kind=kind, labels=node_type.labels, free=offered, gpus=gpus)

    def seems_free(self, demand: Demand) -> bool:
        """Whether Ray would pick this node: GPUs count by their sum."""
        most = demand.max_per_node
        if most is not None and self.replicas.count(demand.name) >= most:
            return False
        return all(
            (sum(self.gpus) if name == "GPU" else self.free.get(name, 0)) >= amount
            for name, amount in demand.units.items()
        )

    def take(self, demand: Demand) -> bool:
        """Places a replica here, if its GPUs can be had in one piece."""
        chosen = _chosen_gpus(self.gpus, demand.units.get("GPU", 0))
        if chosen is None:
            return False
        for index, amount in chosen.items():
            self.gpus[index] -= amount
        for name, amount in demand.units.items():
            if name != "GPU":
                self.free[name] -= amount
        self.replicas.append(demand.name)
        return True

    def copy(self) -> "Node":
        """The same, to try something on."""
        return Node(
            kind=self.kind, labels=self.labels, free=dict(self.free), gpus=list(self.gpus),
            replicas=list(self.replicas),
        )  # fmt: skip


def _chosen_gpus(free: Sequence[int], wanted: int) -> dict[int, int] | None:
    """Ray's rule for the GPUs of one node: index -> amount; None where there is no such room."""
    if wanted == 0:
        return {}
    if wanted >= _UNIT:
        whole = [index for index, left in enumerate(free) if left == _UNIT][: wanted // _UNIT]
        return dict.fromkeys(whole, _UNIT) if len(whole) * _UNIT == wanted else None
    roomy = [(left, index) for index, left in enumerate(free) if left >= wanted]
    return {min(roomy)[1]: wanted} if roomy else None


@dataclass(frozen=True, kw_only=True)
class Placement:
    """What stands where after one order of requests.

    Attributes:
        nodes: with their replicas.
        waiting: the deployments of the replicas that found no place, one entry each.
    """

    nodes: tuple[Node, ...]
    waiting: tuple[str, ...]

    def told(self) -> object:
        """What is the same of two orders that came to the same end, whichever nodes are alike."""
        nodes = sorted((one.kind, sorted(one.replicas), sorted(one.gpus)) for one in self.nodes)
        return str(nodes), tuple(sorted(self.waiting))

    def placed(self, name: str) -> int:
        """Replicas of a deployment that have a place."""
        return sum(node.replicas.count(name) for node in self.nodes)

    def losses_survived(self, name: str) -> int:
        """How many nodes may go before the last replica does, whichever they are."""
        return max(0, sum(name in node.replicas for node in self.nodes) - 1)


def place(wanted: Sequence[Demand], nodes: Sequence[Node], generator: random.Random) -> Placement:
    """Places replicas in one order.

    Args:
        wanted: one entry a replica, in the order in which they are asked for.
        nodes: what is there; not changed.
        generator: of the order in which the nodes come.
    """
    found = [node.copy() for node in nodes]
    generator.shuffle(found)
    waiting, turn = [], 0
    for demand in wanted:
        index = _picked(demand, found, turn)
        if index is None or not found[index].take(demand):
            waiting.append(demand.name)
        else:
            turn = index + 1
    return Placement(nodes=tuple(found), waiting=tuple(waiting))


def _picked(demand: Demand, nodes: Sequence[Node], turn: int) -> int | None:
    for selector in demand.selectors or ({},):
        for step in range(len(nodes)):
            index = (turn + step) % len(nodes)
            if fits(selector, nodes[index].labels) and nodes[index].seems_free(demand):
                return index
    return None


@dataclass(frozen=True, kw_only=True)
class Packing:
    """The placements of all orders.

    Attributes:
        placements: one an order.
    """

    placements: tuple[Placement, ...]

    def fits(self, name: str) -> tuple[int, int]:
        """Fewest and most replicas of a deployment that found a place."""
        counts = [one.placed(name) for one in self.placements]
        return min(counts), max(counts)

    def survives(self, name: str) -> int:
        """Losses of a node that leave a replica in every order."""
        return min(one.losses_survived(name) for one in self.placements)

    def left(self) -> dict[str, dict[str, float]]:
        """What is left on all nodes of a type in the first order: type -> resource -> amount."""
        sums: dict[str, Counter[str]] = {}
        for node in self.placements[0].nodes:
            left = sums.setdefault(node.kind, Counter())
            left.update({**node.free, "GPU": sum(node.gpus)})
        return {
            kind: {name: amount / _UNIT for name, amount in left.items()}
            for kind, left in sums.items()
        }

    def homeless_after(self, demands: Mapping[str, Demand]) -> dict[str, tuple[str, ...]]:
        """What finds no new place when one node goes: type of the node -> deployments."""
        found: dict[str, set[str]] = {}
        for number, placement in enumerate(self.placements):
            for lost in placement.nodes:
                rest = [node for node in placement.nodes if node is not lost]
                again = [demands[name] for name in lost.replicas]
                moved = place(again, rest, random.Random(number))
                found.setdefault(lost.kind, set()).update(moved.waiting)
        return {kind: tuple(sorted(names)) for kind, names in found.items()}


def pack(counts: Mapping[str, int], demands: Mapping[str, Demand], machines: Machines) -> Packing:
    """Tries many orders of replicas and nodes; the same ones at every call.

    Args:
        counts: deployment -> replicas.
        demands: deployment -> what one asks for.
        machines: that are there.
    """
    nodes = [Node.of(name, one) for name, one in machines.nodes()]
    wanted = [demands[name] for name, count in counts.items() for _ in range(count)]
    tried: dict[object, Placement] = {}
    for number, order in enumerate(_orders(wanted)):
        placement = place(order, nodes, random.Random(number))
        tried.setdefault(placement.told(), placement)
    return Packing(placements=tuple(tried.values()))


def _orders(wanted: Sequence[Demand]) -> Iterator[Sequence[Demand]]:
    """That of the file, some by chance, and some that are likely to leave a replica waiting.

    What comes last finds the least, large ones are the hardest to place, and small shares that come
    first leave no GPU whole.
    """
    yield wanted
    chance = random.Random(0)
    for number in range(ORDERS - 1 if wanted else 0):
        mixed = chance.sample(wanted, len(wanted))
        match number % 4:
            case 0:
                yield mixed
            case 1:
                large = max(mixed, key=_gpus)
                mixed.remove(large)
                yield [*mixed, large]
            case 2:
                yield sorted(mixed, key=lambda one: _gpus(one) >= 1)
            case _:
                noise = chance.choice((0.0, 0.3))
                yield sorted(mixed, key=lambda one: _gpus(one) + chance.gauss(0, noise))


def _gpus(demand: Demand) -> float:
    return demand.resources.get("GPU", 0.0)
