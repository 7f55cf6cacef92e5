"""What every deployment reads about itself: its settings, its share of the machine, its place."""

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import ray

from models.device import Share
from models.errors import InvalidInputError

# Assembled models lie beside the code, the same folder on every node.
MODEL_CACHE = Path(__file__).parents[1] / ".ragfleet" / "models"

Config = TypeVar("Config")
Model = TypeVar("Model")


def parse_config(config_class: type[Config], user_config: Mapping[str, Any]) -> Config:
    """Builds the typed settings of a deployment from its `user_config` block.

    Raises:
        InvalidInputError: a key is unknown, missing, or its value is outside its limits.
    """
    known = {field.name for field in fields(config_class)}  # type: ignore[arg-type]  # a dataclass
    unknown = sorted(set(user_config) - known)
    if unknown:
        msg = f"unknown keys in user_config: {unknown}; known are {sorted(known)}"
        raise InvalidInputError(msg)
    try:
        return config_class(**user_config)
    except TypeError as err:
        msg = f"user_config does not fit {config_class.__name__}: {err}"
        raise InvalidInputError(msg) from err


def assigned_share() -> Share:
    """Reads the share of this replica; nothing of the GPU outside a Ray worker."""
    if not ray.is_initialized():
        return Share(num_cpus=1.0)
    resources = ray.get_runtime_context().get_assigned_resources()
    return Share(
        num_gpus=float(resources.get("GPU", 0.0)), num_cpus=float(resources.get("CPU", 1.0))
    )


async def load_model(model_class: Callable[..., Model], config: object) -> Model:
    """Loads a model within this replica's share, off the event loop."""
    share = assigned_share()
    return await asyncio.to_thread(model_class, config, cache=MODEL_CACHE, share=share)


@dataclass(frozen=True, kw_only=True)
class ReplicaDescription:
    """Who answers: for readiness, tests and people.

    Attributes:
        model: the loaded model's id, or the name of the index.
        identity: digest of a generator's model.
        gpu_ids: the GPUs that Ray shows to this process.
    """

    model: str
    pid: int
    node_id: str
    num_gpus: float
    gpu_ids: tuple[str, ...]
    identity: str = ""


def describe_replica(model: str, *, identity: str = "") -> ReplicaDescription:
    """Describes the replica that runs this code."""
    context = ray.get_runtime_context() if ray.is_initialized() else None
    return ReplicaDescription(
        model=model,
        pid=os.getpid(),
        node_id=context.get_node_id() if context else "",
        num_gpus=assigned_share().num_gpus,
        gpu_ids=tuple(context.get_accelerator_ids().get("GPU", ())) if context else (),
        identity=identity,
    )


def refuse_unshared_database(url: str) -> None:
    """Refuses a SQLite file when the replicas that need it can sit on several machines.

    Raises:
        InvalidInputError: the cluster has more than one machine and the URL names SQLite.
    """
    if not url.startswith("sqlite") or not ray.is_initialized():
        return
    machines = {node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}
    if len(machines) > 1:
        msg = (
            f"the corpus is in SQLite, a file of one machine, but the cluster has {len(machines)} "
            "machines; set RAGFLEET_DATABASE_URL to a PostgreSQL database"
        )
        raise InvalidInputError(msg)
