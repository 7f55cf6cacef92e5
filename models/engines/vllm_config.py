"""The settings of the `vllm` engine; reading them needs no vLLM."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from math import inf
from pathlib import Path
from typing import Any, Literal, get_args

from models.constraints import ALL_KINDS, ConstraintKind
from models.errors import InvalidInputError, check_limits

# What of AsyncEngineArgs is told in another place, and where.
TOLD_ELSEWHERE = {
    "model": "model",
    "max_model_len": "context_tokens",
    "tensor_parallel_size": "num_gpus of the replica",
    "pipeline_parallel_size": "nothing: a replica splits its model over num_gpus GPUs by tensors",
    "prefill_context_parallel_size": "nothing: a replica has num_gpus GPUs in all",
    "data_parallel_size": "the number of replicas",
    "data_parallel_size_local": "the number of replicas",
    "nnodes": "nothing: a replica stands on one node",
    "dtype": "dtype",
    "max_num_seqs": "max_concurrent_requests",
    "gpu_memory_utilization": "gpu_memory_utilization",
    "trust_remote_code": "nothing: code of models is never run",
    "logits_processors": "nothing: the engine has its own",
    "enable_lora": "max_adapters",
    "max_loras": "max_adapters",
    "max_cpu_loras": "max_adapters",
    "max_lora_rank": "max_adapter_rank",
    "spec_method": "speculative_config",
    "spec_model": "speculative_config",
    "spec_tokens": "speculative_config",
}
_NO_PROCESSOR = "vLLM loads no logits processor where it speculates (speculative_config)"
_OWN_CHANGES = (
    "logit_bias", "min_p", "min_tokens", "presence_penalty", "frequency_penalty",
    "repetition_penalty",
)  # fmt: skip
# What goes by our logits processor alone (models/engines/vllm_picking.py), and why not without it.
UNSERVED_SPECULATING: Mapping[str, str] = {
    **dict.fromkeys(
        _OWN_CHANGES,
        f"{_NO_PROCESSOR}, and its own ones begin anew where an answer is resumed",
    ),
    "seed": f"{_NO_PROCESSOR}, and its own draws are no function of seed and position",
    "constraint": f"{_NO_PROCESSOR}, and its own grammars begin anew where an answer is resumed",
    "tools": f"{_NO_PROCESSOR}, so calls cannot be held to their form",
}
# `_expand_kernel_impl` of vllm/utils/cpu_triton_utils.py fills a copy (vLLM 0.32), so that drawn
# requests are judged by what lies in memory, and the greedy ones beside them, too.
UNSERVED_SPECULATING_ON_CPU: Mapping[str, str] = {
    "temperature": "where vLLM's CPU build speculates, temperature, top_p and top_k do not reach "
    "the drafts; only the likeliest answer (temperature 0) is right",
}

# Options that say only when something is computed, where its bytes come from and lie meanwhile, and
# what is told of it: two engines with different ones write the same. Any other option counts as one
# that changes logits (`quantization`, `kv_cache_dtype`, `hf_overrides`, kernels), a new one too.
_SAME_NUMBERS = """
    async_scheduling enable_chunked_prefill enable_prefix_caching prefix_caching_hash_algo
    prefix_cache_retention_interval long_prefill_token_threshold
    long_prefill_token_threshold_adaptive max_num_active_seqs max_num_batched_tokens
    max_num_queued_reqs max_num_queued_tokens max_num_scheduled_tokens prefill_schedule_interval
    scheduler_reserve_full_isl scheduling_policy stream_interval
    cpu_offload_gb kv_cache_memory_bytes kv_offloading_backend kv_offloading_size
    num_gpu_blocks_override
    allowed_local_media_path allowed_media_domains download_dir hf_token
    max_parallel_loading_workers safetensors_load_strategy safetensors_prefetch_block_size
    safetensors_prefetch_num_threads use_tqdm_on_load
    cpu_distributed_timeout_seconds distributed_timeout_seconds enable_sleep_mode
    fail_on_environ_validation numa_bind numa_bind_cpus numa_bind_nodes renderer_num_workers
    served_model_name shutdown_timeout
    aggregate_engine_logging collect_detailed_traces cudagraph_metrics custom_histogram_buckets
    disable_log_stats enable_layerwise_nvtx_tracing enable_log_requests
    enable_logging_iteration_details enable_mfu_metrics kv_cache_metrics kv_cache_metrics_sample
    kv_events_config log_config_file log_level logging_config otlp_traces_endpoint
    per_request_spec_decode_metrics profiler_config show_hidden_metrics_for_version
"""
SAME_NUMBERS = frozenset(_SAME_NUMBERS.split())


Dtype = Literal["auto", "bfloat16", "float16", "float32"]


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
        options: any other field of vLLM's AsyncEngineArgs (models/engines/vllm_options.txt). With
            `speculative_config` tokens are drafted, and seeds, forms and biases are refused.
    """

    max_concurrent_requests: int = 64
    gpu_memory_utilization: float = 0.9
    dtype: Dtype = "auto"
    batch_invariant: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Checks the ranges, and that options are known and told once."""
        check_limits(self, {"max_concurrent_requests": (1, inf)})
        if not 0 < self.gpu_memory_utilization <= 1:
            msg = f"gpu_memory_utilization must be in (0, 1], got {self.gpu_memory_utilization}"
            raise InvalidInputError(msg)
        if self.dtype not in get_args(Dtype):
            msg = f"dtype must be one of {get_args(Dtype)}, got {self.dtype!r}"
            raise InvalidInputError(msg)
        for name in self.options:
            _check_option(name)
        drafts = self.options.get("speculative_config")
        if drafts is not None and not (
            isinstance(drafts, Mapping) and {"method", "model"} & set(drafts)
        ):
            msg = f"speculative_config in options must name a method or a model, got {drafts!r}"
            raise InvalidInputError(msg)

    @property
    def speculates(self) -> bool:
        """Whether tokens are drafted, and judged several at once."""
        return self.options.get("speculative_config") is not None

    @property
    def constraints(self) -> frozenset[ConstraintKind]:
        """What answers can be held to."""
        return frozenset() if self.speculates else ALL_KINDS

    @property
    def unserved(self) -> Mapping[str, str]:
        """What of a request is refused, and why; see `GenerationEngine`."""
        return UNSERVED_SPECULATING if self.speculates else {}

    @property
    def computing(self) -> dict[str, object]:
        """The settings that change an answer's numbers, beside how the model is split."""
        changing = {k: value for k, value in self.options.items() if k not in SAME_NUMBERS}
        return {"dtype": self.dtype, "batch_invariant": self.batch_invariant, "options": changing}


def _check_option(name: str) -> None:
    """Checks the name of an option.

    Raises:
        InvalidInputError: vLLM has no such field, or another setting tells it.
    """
    if name in TOLD_ELSEWHERE:
        msg = f"options must not hold {name!r}; it is told by {TOLD_ELSEWHERE[name]}"
        raise InvalidInputError(msg)
    if name not in option_names():
        near = get_close_matches(name, sorted(option_names()), n=1)
        hint = f"did you mean {near[0]!r}?" if near else "AsyncEngineArgs of vLLM has no such field"
        raise InvalidInputError(f"options holds the unknown {name!r}; {hint}")


@cache
def option_names() -> frozenset[str]:
    """What may be set in `options` of the vLLM that pyproject.toml names.

    Kept in a file (`make vllm-options`), since the machine that reads a config needs no vLLM.
    """
    names = Path(__file__).with_name("vllm_options.txt").read_text().split()
    return frozenset(names) - set(TOLD_ELSEWHERE)
