"""What a replica asks of Ray that Ray takes and nobody means."""

from collections.abc import Iterator, Mapping
from typing import Any

from ray.serve._private.constants import MAX_REPLICAS_PER_NODE_MAX_VALUE
from ray.util import accelerators

from deployments.user_config import ConfigFault

_LEAST_MEMORY = 10 * 10**6  # bytes; no process of ours is smaller
_SPREAD = ("placement_group_bundles", "placement_group_strategy", "gang_scheduling_config")
# What Ray has options of its own for; under `resources` it refuses them, or finds no node.
_OPTIONS = {"cpu": "num_cpus", "gpu": "num_gpus", "memory": "memory"}
_ACCELERATORS = sorted({one for name, one in vars(accelerators).items() if name.isupper()})
_MAKERS = ("nvidia-", "tesla-")


def resource_faults(block: Mapping[str, Any]) -> Iterator[ConfigFault]:
    """Finds memory in another unit than bytes, replicas spread over bundles, and wrong names.

    Args:
        block: of one deployment.
    """
    for key in filter(block.get, _SPREAD):
        spread = "a replica is one process on one node, a model is split over the GPUs of one "
        spread += "node: set num_cpus and num_gpus instead"
        yield ConfigFault(where=(), key=key, message=spread)
    most = block.get("max_replicas_per_node")
    if isinstance(most, int) and not 1 <= most <= MAX_REPLICAS_PER_NODE_MAX_VALUE:
        message = f"max_replicas_per_node must be in 1..{MAX_REPLICAS_PER_NODE_MAX_VALUE}, got "
        message += f"{most}; left out there is no limit"
        yield ConfigFault(where=(), key="max_replicas_per_node", message=message)
    options = block.get("ray_actor_options")
    if isinstance(options, Mapping):
        yield from (fault.under(("ray_actor_options",)) for fault in _option_faults(options))


def _option_faults(options: Mapping[str, Any]) -> Iterator[ConfigFault]:
    memory = options.get("memory")
    if isinstance(memory, int | float) and 0 < memory < _LEAST_MEMORY:
        message = f"memory is in bytes and must be at least {_LEAST_MEMORY}, got {memory:g}"
        message += f"; {memory:g} GB are {memory * 1e9:.0f}"
        yield ConfigFault(where=(), key="memory", message=message)
    resources = options.get("resources")
    for name, amount in (resources if isinstance(resources, Mapping) else {}).items():
        option = _OPTIONS.get(str(name).lower())
        if option is not None:
            message = f"Ray counts no {name} there: set {option} beside resources"
            yield ConfigFault(where=("resources", name), message=message)
        elif not isinstance(amount, int | float) or amount < 0:
            message = f"must be a number of at least 0, got {amount!r}"
            yield ConfigFault(where=("resources", name), message=message)
    kind = str(options.get("accelerator_type"))
    meant = [one for one in _ACCELERATORS if one != kind and _bare(one) == _bare(kind)]
    if meant and kind not in _ACCELERATORS:
        message = f"no node has the accelerator_type {kind!r}; did you mean {meant[0]!r}?"
        yield ConfigFault(where=(), key="accelerator_type", message=message)


def _bare(kind: str) -> str:
    """The name of an accelerator without its maker, however it is spelt."""
    name = kind.lower().replace("_", "-").replace(" ", "-")
    for maker in _MAKERS:
        name = name.removeprefix(maker)
    return name
