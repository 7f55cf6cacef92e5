"""The settings of the `vllm` engine; reading them needs no vLLM."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any

from models.errors import InvalidInputError, check_limits

# What of AsyncEngineArgs is told in another place, and where.
TOLD_ELSEWHERE = {
    "model": "model",
    "max_model_len": "context_tokens",
    "tensor_parallel_size": "num_gpus of the replica",
    "dtype": "dtype",
    "max_num_seqs": "max_concurrent_requests",
    "gpu_memory_utilization": "gpu_memory_utilization",
    "trust_remote_code": "nothing: code of models is never run",
    "logits_processors": "nothing: the engine has its own",
    "enable_lora": "max_adapters",
    "max_loras": "max_adapters",
    "max_cpu_loras": "max_adapters",
    "max_lora_rank": "max_adapter_rank",
}


@dataclass(frozen=True, kw_only=True)
class VllmEngineConfig:
    """What of vLLM's many knobs is set here.

    Attributes:
        max_concurrent_requests: requests decoded together (vLLM: max_num_seqs).
        gpu_memory_utilization: share of each GPU for weights and cache when whole GPUs were
            allotted; a fraction of a GPU is its own limit.
        dtype: `auto` (the checkpoint's own), `bfloat16`, `float16` or `float32`.
        batch_invariant: whether kernels are used that give the same logits in any batch; slower,
            and only on the GPUs that vLLM has them for.
        options: any other field of vLLM's AsyncEngineArgs.
    """

    max_concurrent_requests: int = 64
    gpu_memory_utilization: float = 0.9
    dtype: str = "auto"
    batch_invariant: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Checks the ranges, and that no field is told twice."""
        check_limits(self, {"max_concurrent_requests": (1, inf)})
        if not 0 < self.gpu_memory_utilization <= 1:
            msg = f"gpu_memory_utilization must be in (0, 1], got {self.gpu_memory_utilization}"
            raise InvalidInputError(msg)
        for name in self.options:
            if name in TOLD_ELSEWHERE:
                msg = f"options must not hold {name!r}; it is told by {TOLD_ELSEWHERE[name]}"
                raise InvalidInputError(msg)
