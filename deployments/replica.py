"""Who answers: where the replica that runs this code stands, and how it ends itself."""

import logging
import os
from dataclasses import dataclass

import ray

from deployments.life.model_life import LifeReport
from deployments.model_loading import assigned_cards, assigned_share
from models.memory_use import memory_use

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ReplicaDescription:
    """Who answers: what `/v1/models`, tests of clusters and people ask a replica.

    Attributes:
        model: the loaded model's id, or the name of the index; empty while there is none.
        identity: digest of a generator's model.
        gpu_ids: the GPUs that Ray shows to this process.
        life: how far the model is; None where there is no model.
        device: where it runs: `cpu`, or the GPU's name.
        memory_bytes: what its process uses there.
        adapters: names of the LoRA adapters that a generator's requests may ask for.
    """

    model: str
    pid: int
    node_id: str
    num_gpus: float
    gpu_ids: tuple[str, ...]
    identity: str = ""
    life: LifeReport | None = None
    device: str = "cpu"
    memory_bytes: int = 0
    adapters: tuple[str, ...] = ()


def describe_replica(
    model: str,
    *,
    identity: str = "",
    life: LifeReport | None = None,
    adapters: tuple[str, ...] = (),
) -> ReplicaDescription:
    """Describes the replica that runs this code."""
    share = assigned_share()
    use = memory_use(share)
    context = ray.get_runtime_context() if ray.is_initialized() else None
    return ReplicaDescription(
        model=model,
        pid=os.getpid(),
        node_id=context.get_node_id() if context else "",
        num_gpus=share.num_gpus,
        gpu_ids=assigned_cards(),
        identity=identity,
        life=life,
        device=use.device,
        memory_bytes=use.num_bytes,
        adapters=adapters,
    )


def end_replica(reason: str) -> None:
    """Ends this process at once, so that Serve starts another one without waiting for its checks.

    Calls that are at work here are lost; who made them asks another replica. Outside of Ray there
    is no replica to end.
    """
    logger.critical("this replica ends itself: %s", reason)
    if ray.is_initialized():
        logging.shutdown()
        os._exit(1)
