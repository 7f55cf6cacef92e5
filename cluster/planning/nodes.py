"""The machines of a plan: a file of node types, or the nodes of a cluster that runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from typing import Any

from deployments.user_config import faults_of, parse_config
from graphs.serve_config.config_file import parse_config_file
from graphs.serve_config.places import MARKET, SPOT
from graphs.serve_config.reader import read_text
from models.errors import check_limits

ACCELERATOR = "accelerator_type:"  # a resource of Ray, of which each node has 1
_ACCELERATOR_LABEL = "ray.io/accelerator-type"
# With which a node starts whose GPUs are slices (MIG), told apart by their profile: `1g.10gb`.
SLICE = "ragfleet/gpu-slice"
WHOLE = "none"  # its value where they are whole
_MEMORY_PART = 0.7  # of a node's memory, that Ray offers to actors which ask for some
_MAX_NODES = 1000  # of a type


@dataclass(frozen=True, kw_only=True)
class NodeType:
    """Machines that are alike.

    Attributes:
        nodes: how many there are.
        cpus: of each.
        gpus: of each; slices of GPUs (MIG) count as GPUs.
        gpu_memory_gb: of one GPU or slice, in 10^9 bytes; None: not known.
        accelerator: the GPUs as Ray names them, such as `L4` or `A100`; None: not known. Ray names
            slices as the GPU that they are of.
        memory_gb: of each machine.
        labels: with which `ray start` runs there; `ragfleet/gpu-slice` says that GPUs are slices.
        resources: further ones of Ray.
        price_per_hour: of each, in any currency; None: not known.
    """

    nodes: int = 1
    cpus: float = 0.0
    gpus: int = 0
    gpu_memory_gb: float | None = None
    accelerator: str | None = None
    memory_gb: float | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    resources: Mapping[str, float] = field(default_factory=dict)
    price_per_hour: float | None = None

    def __post_init__(self) -> None:
        """Checks the ranges."""
        check_limits(self, {"nodes": (0, _MAX_NODES), "cpus": (0, inf), "gpus": (0, 64)})
        check_limits(self, {"price_per_hour": (0, inf)})

    @property
    def is_spot(self) -> bool:
        """Whether its machines may be taken away."""
        return self.labels.get(MARKET) == SPOT

    @property
    def is_sliced(self) -> bool:
        """Whether its GPUs are slices of larger ones, of which CUDA shows one to a process."""
        return self.labels.get(SLICE, WHOLE) != WHOLE

    def offered(self) -> dict[str, float]:
        """What Ray has on one of them."""
        memory = {"memory": self.memory_gb * 1e9 * _MEMORY_PART} if self.memory_gb else {}
        named = self.accelerator or self.labels.get(_ACCELERATOR_LABEL)
        kind = {f"{ACCELERATOR}{named}": 1.0} if named else {}
        return {"CPU": self.cpus, "GPU": float(self.gpus), **memory, **kind, **self.resources}


@dataclass(frozen=True, kw_only=True)
class Machines:
    """All machines that a plan may use.

    Attributes:
        node_types: by their names.
        notice_s: from the notice to the end of a spot machine.
        currency: of the prices.
    """

    node_types: Mapping[str, NodeType]
    notice_s: float = 30.0
    currency: str = "USD"

    def nodes(self) -> list[tuple[str, NodeType]]:
        """Every machine with the name of its type."""
        return [(name, one) for name, one in self.node_types.items() for _ in range(one.nodes)]


def read_machines(path: Path) -> Machines:
    """Reads a file of node types.

    Raises:
        ConfigError: it has faults: a line for each, with file, line and place.
    """
    file = parse_config_file(read_text(path), str(path))
    file.refuse([*file.repeated_keys(), *faults_of(Machines, file.value)])
    return parse_config(Machines, file.value)


def running_machines(nodes: list[Mapping[str, Any]]) -> Machines:
    """The node types of a cluster that runs.

    Args:
        nodes: what `ray.nodes()` gives.
    """
    types: dict[str, NodeType] = {}
    for node in nodes:
        if not node["Alive"]:
            continue
        one = _running(node)
        name = next((known for known, other in types.items() if _are_alike(one, other)), None)
        if name is None:
            name = one.labels.get("ray.io/node-group") or f"type-{len(types) + 1}"
            types[name] = one
        else:
            least = min(filter(None, (one.memory_gb, types[name].memory_gb)), default=None)
            types[name] = replace(types[name], nodes=types[name].nodes + 1, memory_gb=least)
    return Machines(node_types=types)


def _are_alike(one: NodeType, other: NodeType) -> bool:
    """What Ray offers of memory is what was free when a node started: it tells no types apart."""
    return replace(one, nodes=1, memory_gb=None) == replace(other, nodes=1, memory_gb=None)


def _running(node: Mapping[str, Any]) -> NodeType:
    resources = node["Resources"]
    own = ("CPU", "GPU", "memory", "object_store_memory")
    others = {
        name: float(value)
        for name, value in resources.items()
        if name not in own and not name.startswith(("node:", ACCELERATOR))
    }
    kinds = [name.removeprefix(ACCELERATOR) for name in resources if name.startswith(ACCELERATOR)]
    labels = {k: v for k, v in node.get("Labels", {}).items() if k != "ray.io/node-id"}
    memory_gb = round(resources.get("memory", 0) / 1e9 / _MEMORY_PART)
    return NodeType(
        cpus=float(resources.get("CPU", 0)), gpus=int(resources.get("GPU", 0)),
        memory_gb=float(memory_gb) or None, labels=labels, resources=others,
        accelerator=kinds[0] if kinds else None,
    )  # fmt: skip
