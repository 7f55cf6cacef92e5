"""Random clusters and replicas for `test_packing_ray.py`, and what the plan expects at each step.

A cluster is two to four of eight logical nodes; selectors of their label `node` hide the others.
"""

import random
from dataclasses import dataclass, field

from cluster.planning.nodes import NodeType
from cluster.planning.packing import _UNIT, Demand, Node
from graphs.serve_config.places import fits

SPOT = {"ray.io/market-type": "spot"}
ON_DEMAND = {"ray.io/market-type": "on-demand"}
_SIZES = ((2, 1), (4, 1), (4, 2), (8, 2), (6, 3), (6, 3), (8, 4), (8, 4))  # CPUs and GPUs
NODES = {
    f"n{number}": NodeType(
        cpus=cpus, gpus=gpus, labels={"node": f"n{number}", **(ON_DEMAND if number % 2 else SPOT)}
    )
    for number, (cpus, gpus) in enumerate(_SIZES)
}
_SHARES = (0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 1.0, 2.0)
_ACTORS_EVERY = 8  # of the cases, one is of actors


def _pinned(name, gpu, *nodes):
    where = {"node": f"in({','.join(nodes)})"}
    return {"name": name, "cpu": 1, "gpu": gpu, "selectors": [where]}


# Whole GPUs are asked for where others have left pieces that sum up to one.
PIECES = [
    [_pinned("part", 0.6, "n4", "n5")] * 6 + [_pinned("whole", 1.0, "n4", "n5")] * 2,
    [_pinned("part", 0.6, "n4")] * 3 + [_pinned("whole", 1.0, "n4", "n6")] * 4,
    [_pinned("part", 0.3, "n5")] * 4 + [_pinned("whole", 1.0, "n5", "n7", "n6")] * 6,
    [_pinned("part", 0.6, "n4")] * 3 + [_pinned("other", 0.5, "n4", "n6")] * 5,
]


def cases(number):
    """Those of pieces, and so many by chance."""
    pieces = [{"nodes": ["n4", "n5", "n6", "n7"], "wanted": one, "actors": False} for one in PIECES]
    return [*pieces, *map(case_of, range(number))]


def case_of(seed):
    """A cluster, and its replicas in the order in which they are asked for."""
    chance = random.Random(seed)
    names = sorted(chance.sample(sorted(NODES), chance.randint(2, 4)))
    here = {"node": f"in({','.join(names)})"}
    wanted = []
    for name in "wxyz"[: chance.randint(2, 4)]:
        selectors = chance.choice(([{}], [{}], [ON_DEMAND, SPOT], [SPOT, ON_DEMAND], [SPOT]))
        one = {
            "name": name,
            "cpu": chance.choice([1, 1, 1, 2]),
            "gpu": chance.choice(_SHARES),
            "selectors": [{**selector, **here} for selector in selectors],
        }
        wanted += [one] * chance.randint(1, 4)
    chance.shuffle(wanted)
    return {"nodes": names, "wanted": wanted, "actors": seed % _ACTORS_EVERY == 0}


def demand_of(one):
    """What a replica of a case asks for, as the plan counts it."""
    resources = {"CPU": float(one["cpu"]), "GPU": float(one["gpu"])}
    return Demand(name=one["name"], resources=resources, selectors=tuple(one["selectors"]))


@dataclass
class Replayed:
    """The nodes of a case as the plan sees them, after what Ray did so far."""

    nodes: dict = field(default_factory=lambda: {n: Node.of(n, one) for n, one in NODES.items()})

    def expected(self, one):
        """The nodes that Ray may pick, and those of them that have the room in one piece."""
        demand = demand_of(one)
        for selector in demand.selectors:
            picked = {
                name
                for name, node in self.nodes.items()
                if fits(selector, node.labels) and node.seems_free(demand)
            }
            if picked:
                return picked, {n for n in picked if self.nodes[n].copy().take(demand)}
        return set(), set()

    def fault(self, one, told):
        """What of Ray's answer the plan does not expect; None: nothing. Takes over the answer."""
        picked, roomy = self.expected(one)
        if told is None:
            return (
                f"waits, though {sorted(roomy)} have room" if picked and picked == roomy else None
            )
        if told["node"] not in roomy:
            return f"stands on {told['node']}, the plan says one of {sorted(roomy)}"
        node, demand = self.nodes[told["node"]], demand_of(one)
        after = node.copy()
        after.take(demand)
        for index in told["gpus"]:
            node.gpus[index] -= round(min(one["gpu"], 1) * _UNIT)
        node.free["CPU"] -= demand.units["CPU"]
        node.replicas.append(one["name"])
        if sorted(node.gpus) != sorted(after.gpus):
            return f"its GPUs have {node.gpus} left, the plan says {after.gpus}"
        return None
