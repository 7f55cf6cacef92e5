"""Loads a replica's model within the replica's share of its machine."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

import ray

from deployments.state import models_folder
from models.device import Share

Model = TypeVar("Model")


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
    return await asyncio.to_thread(model_class, config, cache=models_folder(), share=share)


async def replaced(_old: object) -> None:
    """Retires a model whose calls hold it until they end; the last one frees its memory."""
