"""A plan: the replicas of a config on machines, what speaks against it, and what it costs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cluster.planning.checkpoints import KnownModel
from cluster.planning.faults import (
    crowded_faults,
    licence_faults,
    memory_faults,
    packing_faults,
    place_faults,
    resume_faults,
    slice_faults,
)
from cluster.planning.nodes import Machines
from cluster.planning.packing import Packing, pack
from cluster.planning.replicas import Replicas, replicas_of
from cluster.planning.wanted import Boundary
from deployments.user_config import ConfigFault
from graphs.serve_config.checks import own_application
from graphs.serve_config.config_file import ConfigFile
from graphs.serve_config.differences import Difference
from graphs.serve_config.places import MARGIN_S, may_be_on_spot
from graphs.serve_config.reader import ServeConfig

_NO_MACHINES = "no machines are given (--nodes FILE or --address): memory, places and losses are "
_NO_MACHINES += "not checked"


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
        notes: what was not checked, and why.
    """

    config: ServeConfig
    machines: Machines | None
    replicas: Mapping[str, Replicas]
    at_least: Packing | None = None
    at_most: Packing | None = None
    boundaries: tuple[Boundary, ...] = ()
    differences: tuple[Difference, ...] = ()
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def price_per_hour(self) -> dict[str, float | None]:
        """Of all machines, those on demand and those on spot; None where a price is missing."""
        sums: dict[str, float | None] = {"on-demand": 0.0, "spot": 0.0}
        for node_type in self.machines.node_types.values() if self.machines else ():
            market = "spot" if node_type.is_spot else "on-demand"
            before, price = sums[market], node_type.price_per_hour
            missing = before is None or price is None
            sums[market] = None if missing else before + price * node_type.nodes  # type: ignore[operator]
        return sums


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a plan looks at beside the config and the machines.

    Attributes:
        models: the folder of models on this machine.
        known: models that need not lie here.
        commercial: whether a licence that does not allow commercial use is a fault.
        allowed_licences: names of licences and models that do nevertheless.
        load_s: deployment -> seconds that its model took to load, where that was measured.
    """

    models: Path
    known: Mapping[str, KnownModel]
    commercial: bool = False
    allowed_licences: frozenset[str] = frozenset()
    load_s: Mapping[str, float] = field(default_factory=dict)


def make_plan(
    file: ConfigFile, config: ServeConfig, machines: Machines | None, asked: Asked
) -> Plan:
    """Places a config without faults on machines.

    Args:
        file: the config with its lines.
        config: the same, typed.
        machines: None: no machines are looked at.
        asked: what else.
    """
    replicas = replicas_of(config, machines or Machines(node_types={}), asked.models, asked.known)
    faults = list(licence_faults(replicas, asked.allowed_licences)) if asked.commercial else []
    faults += resume_faults(replicas, config.gateway.failover.resume_s, asked.load_s)
    if machines is None:
        return Plan(
            config=config, machines=None, replicas=replicas, faults=_told(file, faults),
            notes=(_NO_MACHINES, *_unknown(replicas)),
        )  # fmt: skip
    demands = {name: one.demand for name, one in replicas.items()}
    least = pack({name: one.least for name, one in replicas.items()}, demands, machines)
    most = pack({name: one.most for name, one in replicas.items()}, demands, machines)
    faults += [*place_faults(file, machines, asked.load_s), *memory_faults(replicas)]
    faults += [
        *slice_faults(replicas, machines),
        *packing_faults(replicas, least, machines),
        *crowded_faults(replicas, most, machines),
    ]
    return Plan(
        config=config, machines=machines, replicas=replicas, at_least=least, at_most=most,
        faults=_told(file, faults),
        notes=(*_unchecked(replicas), *_loads(file, replicas, machines, asked.load_s)),
    )  # fmt: skip


def _unknown(replicas: Mapping[str, Replicas]) -> Iterator[str]:
    for name, one in replicas.items():
        for model in one.models:
            if model.unknown:
                yield f"{name}: the memory of {model.name} is not known: {model.unknown}"


def _loads(
    file: ConfigFile,
    replicas: Mapping[str, Replicas],
    machines: Machines,
    load_s: Mapping[str, float],
) -> Iterator[str]:
    """Which load times stand beside a spot notice: what was measured, and what was not."""
    if not any(one.is_spot for one in machines.node_types.values()):
        return
    place, _ = own_application(file.value)
    blocks = file.value["applications"][place]["deployments"]
    names = [one["name"] for one in blocks if may_be_on_spot(one) and replicas[one["name"]].models]
    known = [f"{name} {load_s[name]:.0f} s" for name in names if name in load_s]
    unknown = [name for name in names if name not in load_s]
    if known:
        yield f"time to load, as measured, that a spot notice has to leave: {', '.join(known)}"
    if unknown:
        yield f"time to load is not measured (python -m cluster.calibrate): {', '.join(unknown)}"
    for name in names:
        late = load_s.get(name, 0.0) >= machines.notice_s - MARGIN_S
        if late and replicas[name].least <= 1:
            yield f"{name}: the only replica is lost with its spot node before another is loaded"


def _unchecked(replicas: Mapping[str, Replicas]) -> Iterator[str]:
    """What could not be held to the machines."""
    for name, one in replicas.items():
        if one.on_gpu and one.models and one.share_bytes is None:
            yield f"{name}: its share of a GPU is not checked, no node tells gpu_memory_gb"
        for model in one.models:
            if model.checkpoint is not None and model.checkpoint.shape is None and one.on_gpu:
                yield f"{name}: what {model.name} takes beside its weights is not known"


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


def as_json(plan: Plan) -> dict[str, Any]:
    """The plan for programs; sizes in bytes, prices an hour."""
    return {
        "faults": list(plan.faults),
        "notes": list(plan.notes),
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
                "source": model.checkpoint.source if model.checkpoint else model.unknown,
                "memory": None if model.memory is None else vars(model.memory),
            }
            for model in one.models
        ],
        "placed": plan.at_least.fits(name) if plan.at_least else None,
        "placed_at_most": plan.at_most.fits(name) if plan.at_most else None,
        "losses_survived": plan.at_least.survives(name) if plan.at_least else None,
    }
