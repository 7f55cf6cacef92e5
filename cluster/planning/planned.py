"""A plan: the replicas of a config on machines, what speaks against it, and what it costs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cluster.planning.checkpoints import KnownModel
from cluster.planning.licences import commercial_use
from cluster.planning.memory import PROCESS_BYTES
from cluster.planning.nodes import Machines
from cluster.planning.packing import Packing, pack
from cluster.planning.replicas import Replicas, replicas_of
from cluster.planning.wanted import Boundary
from deployments.user_config import ConfigFault
from graphs.serve_config.checks import own_application
from graphs.serve_config.config_file import ConfigFile
from graphs.serve_config.differences import Difference
from graphs.serve_config.places import fits, may_be_on_spot, selectors_of, shutdown_faults
from graphs.serve_config.reader import ServeConfig


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What would happen.

    Attributes:
        config: the Serve config.
        machines: on which it would run; None: only the config is looked at.
        replicas: deployment -> its replicas and models.
        at_least: the places of the fewest replicas of each deployment.
        at_most: those of the most.
        boundaries: what was asked of latency and rate, and the replicas that it takes.
        differences: from what runs.
        faults: what keeps it from running, with file and line.
    """

    config: ServeConfig
    machines: Machines | None
    replicas: Mapping[str, Replicas]
    at_least: Packing | None = None
    at_most: Packing | None = None
    boundaries: tuple[Boundary, ...] = ()
    differences: tuple[Difference, ...] = ()
    faults: tuple[str, ...] = field(default=())

    def price_per_hour(self) -> dict[str, float | None]:
        """Of all machines, those on demand and those on spot; None where a price is missing."""
        sums: dict[str, float | None] = {"on-demand": 0.0, "spot": 0.0}
        for node_type in self.machines.node_types.values() if self.machines else ():
            market = "spot" if node_type.is_spot else "on-demand"
            before, price = sums[market], node_type.price_per_hour
            missing = before is None or price is None
            sums[market] = None if missing else before + price * node_type.nodes  # type: ignore[operator]
        return sums


def make_plan(
    file: ConfigFile,
    config: ServeConfig,
    machines: Machines | None,
    *,
    models: Path,
    known: Mapping[str, KnownModel],
    commercial: bool,
) -> Plan:
    """Places a config without faults on machines.

    Args:
        file: the config with its lines.
        config: the same, typed.
        machines: None: no machines are looked at.
        models: the folder of models on this machine.
        known: models that need not lie here.
        commercial: whether a licence that forbids commercial use is a fault.
    """
    replicas = replicas_of(config, machines or Machines(node_types={}), models, known)
    faults = list(_licence_faults(replicas)) if commercial else []
    if machines is None:
        return Plan(config=config, machines=None, replicas=replicas, faults=_told(file, faults))
    demands = {name: one.demand for name, one in replicas.items()}
    least = pack({name: one.least for name, one in replicas.items()}, demands, machines)
    most = pack({name: one.most for name, one in replicas.items()}, demands, machines)
    faults += [*_place_faults(file, machines), *_memory_faults(replicas)]
    faults += [
        *_packing_faults(replicas, least, machines),
        *_crowded_faults(replicas, most, machines),
    ]
    return Plan(
        config=config, machines=machines, replicas=replicas, at_least=least, at_most=most,
        faults=_told(file, faults),
    )  # fmt: skip


def _told(file: ConfigFile, faults: list[ConfigFault]) -> tuple[str, ...]:
    """The faults as text; those of a deployment are found under its name."""
    place, _ = own_application(file.value)
    names = [one["name"] for one in file.value["applications"][place]["deployments"]]
    found = []
    for fault in faults:
        name, *rest = fault.where
        where = ("applications", place, "deployments", names.index(str(name)), *rest)
        found.append(file.describe(ConfigFault(where=where, key=fault.key, message=fault.message)))
    return tuple(dict.fromkeys(found))


def _place_faults(file: ConfigFile, machines: Machines) -> Iterator[ConfigFault]:
    place, _ = own_application(file.value)
    types = machines.node_types.values()
    for block in file.value["applications"][place]["deployments"]:
        name = block["name"]
        if may_be_on_spot(block) and any(one.is_spot for one in types):
            for fault in shutdown_faults(block, machines.notice_s):
                yield fault.under((name,))
        for where, selector in selectors_of(block):
            if not any(fits(selector, one.labels) for one in types):
                known = sorted({f"{k}: {v}" for one in types for k, v in one.labels.items()})
                message = f"no node has the labels {dict(selector)}; there are "
                yield ConfigFault(
                    where=(name, *where), message=message + (", ".join(known) or "none")
                )


def _memory_faults(replicas: Mapping[str, Replicas]) -> Iterator[ConfigFault]:
    for name, one in replicas.items():
        needed, share = one.memory_bytes, one.share_bytes
        if needed is not None and share is not None and needed > share:
            message = (
                f"needs {needed / 1e9:.1f} GB of GPU memory, its share is {share / 1e9:.1f} GB: "
                f"{'; '.join(m.memory.formula for m in one.models if m.memory)}"
            )
            yield ConfigFault(where=(name, "ray_actor_options"), key="num_gpus", message=message)


def _packing_faults(
    replicas: Mapping[str, Replicas], least: Packing, machines: Machines
) -> Iterator[ConfigFault]:
    for name, one in replicas.items():
        fewest, most = least.fits(name)
        if fewest == one.least:
            continue
        asked = ", ".join(
            f"{value:g} {key}" for key, value in one.demand.resources.items() if value
        )
        words = f"{fewest} of {one.least} replicas find a place"
        if most > fewest:
            words += f" in the worst order of starts ({most} in the best)"
        message = f"{words}; each asks for {asked}{_largest(one, machines)}"
        yield ConfigFault(where=(name,), key="ray_actor_options", message=message)


def _crowded_faults(
    replicas: Mapping[str, Replicas], most: Packing, machines: Machines
) -> Iterator[ConfigFault]:
    """Nodes whose replicas take more memory than they have; told at the one that takes most.

    Only models on CPUs are counted, and libraries of all others: what an index takes is not known.
    """
    taken = {
        name: PROCESS_BYTES if one.on_gpu or not one.models else one.memory_bytes or PROCESS_BYTES
        for name, one in replicas.items()
    }
    for placement in most.placements:
        for node in placement.nodes:
            memory_gb = machines.node_types[node.kind].memory_gb
            needed = sum(taken[name] for name in node.replicas)
            if memory_gb is not None and needed > memory_gb * 1e9:
                largest = max(node.replicas, key=lambda name: taken[name])
                message = (
                    f"a {node.kind} node of {memory_gb:g} GB may get replicas that take "
                    f"{needed / 1e9:.1f} GB; set memory or max_replicas_per_node"
                )
                yield ConfigFault(where=(largest,), key="ray_actor_options", message=message)
                return


def _largest(one: Replicas, machines: Machines) -> str:
    """Tells where no node has as much of something, however empty."""
    offered = [node_type.offered() for _, node_type in machines.nodes()]
    for resource, value in one.demand.resources.items():
        most = max((node.get(resource, 0.0) for node in offered), default=0.0)
        if value > most:
            return f"; the largest node has {most:g} {resource}"
    return ""


def _licence_faults(replicas: Mapping[str, Replicas]) -> Iterator[ConfigFault]:
    for name, one in replicas.items():
        for model in one.models:
            licence = model.checkpoint.licence if model.checkpoint else None
            if commercial_use(licence) == "no":
                message = f"the licence of {model.name} ({licence}) forbids commercial use"
                yield ConfigFault(where=(name, "user_config"), key="model", message=message)


def as_json(plan: Plan) -> dict[str, Any]:
    """The plan for programs; sizes in bytes, prices an hour."""
    return {
        "faults": list(plan.faults),
        "deployments": {name: _deployment(plan, name) for name in plan.replicas},
        "left": plan.at_least.left() if plan.at_least else None,
        "homeless_after_loss_of": _homeless(plan),
        "price_per_hour": plan.price_per_hour() if plan.machines else None,
        "boundaries": [vars(one) for one in plan.boundaries],
        "differences": [vars(one) for one in plan.differences],
    }


def _homeless(plan: Plan) -> dict[str, list[str]] | None:
    if plan.at_least is None:
        return None
    demands = {name: one.demand for name, one in plan.replicas.items()}
    found = plan.at_least.homeless_after(demands)
    return {kind: list(names) for kind, names in found.items()}


def _deployment(plan: Plan, name: str) -> dict[str, Any]:
    one = plan.replicas[name]
    return {
        "replicas": [one.least, one.most],
        "resources": dict(one.demand.resources),
        "memory_bytes": one.memory_bytes,
        "share_bytes": one.share_bytes,
        "requests_with_room": one.requests_with_room,
        "models": [
            {
                "model": model.name,
                "licence": model.checkpoint.licence if model.checkpoint else None,
                "source": model.checkpoint.source if model.checkpoint else "not known",
                "memory": None if model.memory is None else vars(model.memory),
            }
            for model in one.models
        ],
        "placed": plan.at_least.fits(name) if plan.at_least else None,
        "placed_at_most": plan.at_most.fits(name) if plan.at_most else None,
        "losses_survived": plan.at_least.survives(name) if plan.at_least else None,
    }
