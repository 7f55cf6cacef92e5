"""Who answers: where the replica that runs this code stands."""

import os
from dataclasses import dataclass

import ray

from deployments.model_loading import assigned_share


@dataclass(frozen=True, kw_only=True)
class ReplicaDescription:
    """Who answers: what tests of clusters, and people, ask a replica. The graph asks for none.

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
