"""Loads a replica's model within the replica's share of its machine."""

import asyncio
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TypeVar

import ray

from deployments.state import models_folder
from models.device import Share, one_at_a_time
from models.hub import resolve

Model = TypeVar("Model")


def assigned_share() -> Share:
    """Reads the share of this replica; nothing of the GPU outside a Ray worker."""
    if not ray.is_initialized():
        return Share(num_cpus=1.0)
    resources = ray.get_runtime_context().get_assigned_resources()
    return Share(
        num_gpus=float(resources.get("GPU", 0.0)), num_cpus=float(resources.get("CPU", 1.0))
    )


def assigned_cards() -> tuple[str, ...]:
    """The GPUs that Ray shows to this process; none without a share.

    They are its numbers of them or, where the node was started with names in CUDA_VISIBLE_DEVICES,
    as slices of GPUs (MIG) are told apart, those names.
    """
    if not ray.is_initialized():
        return ()
    return tuple(ray.get_runtime_context().get_accelerator_ids().get("GPU", ()))


def _locks_folder() -> Path:
    """Where loads on one card wait for each other.

    A GPU is this machine's or this container's alone, and so is this folder: where the state folder
    is one volume of all nodes, the same numbers in it would be other nodes' GPUs.
    """
    return Path(tempfile.gettempdir(), f"ragfleet-cards-{os.getuid()}")


class Placed(Protocol):
    """What the settings of every model say of where it comes from and where it goes."""

    @property
    def model(self) -> str:
        """The model id."""
        ...

    @property
    def revision(self) -> str | None:
        """The commit of a hub model."""
        ...

    @property
    def allow_cpu(self) -> bool:
        """Whether the CPU may serve a share of a GPU."""
        ...


def share_for(config: Placed) -> Share:
    """The share of this replica, as the settings of its model let it be used."""
    return replace(assigned_share(), allow_cpu=config.allow_cpu)


async def load_model(model_class: Callable[..., Model], config: Placed) -> Model:
    """Loads a model within this replica's share, off the event loop."""
    share, cards = share_for(config), assigned_cards()

    def load() -> Model:
        if cards:
            resolve(config.model, config.revision, models_folder())  # no neighbour waits for that
        # A neighbour that loads meanwhile would have its memory measured as ours.
        with one_at_a_time(cards, _locks_folder()):
            return model_class(config, cache=models_folder(), share=share)

    return await asyncio.to_thread(load)


async def replaced(_old: object) -> None:
    """Retires a model whose calls hold it until they end; the last one frees its memory."""
