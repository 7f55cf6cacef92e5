"""The replicas of a config as a plan counts them: what each asks for, and what its models take."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cluster.planning.checkpoints import (
    Checkpoint,
    KnownModel,
    UnknownModelError,
    checkpoint_of,
)
from cluster.planning.memory import Memory, encoder_memory, generator_memory
from cluster.planning.nodes import ACCELERATOR, Machines
from cluster.planning.packing import Demand
from deployments.embedder import ServedEmbedders
from deployments.user_config import parse_config
from graphs.serve_config.blocks import ENGINES
from graphs.serve_config.places import fits
from graphs.serve_config.reader import DeploymentBlock, ServeConfig
from models.encoders.encoder import EncoderConfig
from models.engines.vllm_config import VllmEngineConfig
from models.generator import GeneratorConfig

_OF_ACCELERATOR = 0.001  # what Ray adds to a demand that names an accelerator


@dataclass(frozen=True, kw_only=True)
class LoadedModel:
    """A model of a deployment.

    Attributes:
        name: its id.
        checkpoint: what it is made of; None: nothing is known of it.
        memory: what it takes in a replica; None likewise.
        unknown: why nothing is known.
    """

    name: str
    checkpoint: Checkpoint | None
    memory: Memory | None
    unknown: str = ""


@dataclass(frozen=True, kw_only=True)
class Replicas:
    """A deployment.

    Attributes:
        demand: of each replica.
        least: replicas that are always there.
        most: that autoscaling may make.
        models: that each loads.
        on_gpu: whether they run on a GPU.
        share_bytes: of GPU memory, that each may take; None: no GPU, or its size is not known.
    """

    demand: Demand
    least: int
    most: int
    models: tuple[LoadedModel, ...]
    on_gpu: bool
    share_bytes: int | None

    @property
    def memory_bytes(self) -> int | None:
        """Of all models of a replica; libraries count once. None where one is not known."""
        parts = [one.memory for one in self.models]
        if any(part is None for part in parts):
            return None
        known = [part for part in parts if part is not None]
        extra = sum(part.process for part in known[1:])
        return sum(part.total for part in known) - extra

    @property
    def requests_with_room(self) -> int | None:
        """Requests of half a context whose cache the share holds at once; None: all that may come.

        The engine starts with less than all; the others wait for a place.
        """
        needed, share = self.memory_bytes, self.share_bytes
        each = sum(one.memory.cache_a_request for one in self.models if one.memory)
        if needed is None or share is None or each == 0 or needed > share:
            return None
        return 2 + (share - needed) // each


def replicas_of(
    config: ServeConfig, machines: Machines, models: Path, known: Mapping[str, KnownModel]
) -> dict[str, Replicas]:
    """Reads the deployments of a config.

    Args:
        config: without a fault.
        machines: on which they would stand.
        models: the folder of models on this machine.
        known: models that need not lie here.
    """
    return {
        name: _replicas(name, block, machines, models, known)
        for name, block in config.blocks.items()
    }


def _replicas(
    name: str,
    block: DeploymentBlock,
    machines: Machines,
    models: Path,
    known: Mapping[str, KnownModel],
) -> Replicas:
    demand = _demand(name, block)
    num_gpus = demand.resources.get("GPU", 0.0)
    on_gpu = num_gpus > 0 and getattr(block.settings, "allow_cpu", False) is not True
    least, most = _counts(block)
    return Replicas(
        demand=demand, least=least, most=most, on_gpu=on_gpu,
        models=tuple(_models(block.settings, models, known, num_gpus if on_gpu else 0.0)),
        share_bytes=_share(demand, block.settings, machines) if on_gpu else None,
    )  # fmt: skip


def _demand(name: str, block: DeploymentBlock) -> Demand:
    options = block.deployment.ray_actor_options
    given = options.model_dump(exclude_unset=True) if hasattr(options, "model_dump") else {}
    resources = {
        "CPU": float(given.get("num_cpus", 1)),  # Serve's own default
        "GPU": float(given.get("num_gpus") or 0),
        "memory": float(given.get("memory") or 0),
        **{key: float(value) for key, value in (given.get("resources") or {}).items()},
    }
    if given.get("accelerator_type"):
        resources[f"{ACCELERATOR}{given['accelerator_type']}"] = _OF_ACCELERATOR
    selectors = [given.get("label_selector") or {}]
    selectors += [one["label_selector"] for one in given.get("fallback_strategy") or ()]
    most = block.deployment.max_replicas_per_node
    return Demand(
        name=name, resources=resources, selectors=tuple(selectors),
        max_per_node=most if isinstance(most, int) else None,
    )  # fmt: skip


def _counts(block: DeploymentBlock) -> tuple[int, int]:
    scaling = block.deployment.autoscaling_config
    if isinstance(scaling, Mapping):
        least = int(scaling.get("min_replicas", 1))
        return least, max(least, int(scaling.get("max_replicas", 1)))
    number = block.deployment.num_replicas
    return (number, number) if isinstance(number, int) else (1, 1)


def _models(
    settings: object, folder: Path, known: Mapping[str, KnownModel], num_gpus: float
) -> list[LoadedModel]:
    configs: list[EncoderConfig | GeneratorConfig] = []
    if isinstance(settings, EncoderConfig | GeneratorConfig):
        configs.append(settings)
    if isinstance(settings, ServedEmbedders):
        configs = list(settings.configs)
    judge = getattr(settings, "judge", None)
    if isinstance(judge, EncoderConfig):
        configs.append(judge)
    found = []
    for config in configs:
        try:
            made_of = checkpoint_of(config.model, config.revision, folder, known)
        except UnknownModelError as err:
            unknown = LoadedModel(name=config.model, checkpoint=None, memory=None, unknown=str(err))
            found.append(unknown)
            continue
        memory = _memory(config, made_of, num_gpus)
        found.append(LoadedModel(name=config.model, checkpoint=made_of, memory=memory))
    return found


def _memory(
    config: EncoderConfig | GeneratorConfig, made_of: Checkpoint, num_gpus: float
) -> Memory:
    if isinstance(config, EncoderConfig):
        return encoder_memory(config, made_of, on_gpu=num_gpus > 0)
    engine = parse_config(ENGINES[config.engine], config.engine_options)
    return generator_memory(config, engine, made_of, on_gpu=num_gpus > 0, num_gpus=num_gpus)


def _share(demand: Demand, settings: object, machines: Machines) -> int | None:
    """The smallest share that a replica may get, of the GPUs where it may stand."""
    sizes = [
        one.gpu_memory_gb
        for one in machines.node_types.values()
        if one.gpus and any(fits(selector, one.labels) for selector in demand.selectors)
        if all(name in one.offered() for name in demand.resources if name.startswith(ACCELERATOR))
    ]
    if not sizes or None in sizes:
        return None
    part = 1.0
    if isinstance(settings, GeneratorConfig) and demand.resources["GPU"] >= 1:
        engine = parse_config(ENGINES[settings.engine], settings.engine_options)
        part = engine.gpu_memory_utilization if isinstance(engine, VllmEngineConfig) else 0.9
    smallest = min(size for size in sizes if size is not None)
    return int(demand.resources["GPU"] * part * smallest * 1e9)
