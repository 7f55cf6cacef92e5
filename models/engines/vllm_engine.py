"""The `vllm` engine: GPTQ through Marlin kernels, tensor parallel over several GPUs.

vLLM is the optional extra `gpu`; it is imported when this engine is chosen and at no other time.
"""

import uuid
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any

from models.constraints import ConstraintKind
from models.device import Share, vllm_fraction
from models.errors import EngineStoppedError, InvalidInputError, check_limits
from models.generation import EngineRequest, EngineStep


@dataclass(frozen=True, kw_only=True)
class VllmEngineConfig:
    """What of vLLM's many knobs is set here.

    Attributes:
        max_concurrent_requests: requests decoded together (vLLM: max_num_seqs).
        gpu_memory_utilization: share of each GPU for weights and cache when whole GPUs were
            allotted; a fraction of a GPU is its own limit.
        dtype: `auto` (the checkpoint's own), `bfloat16`, `float16` or `float32`.
        options: any other field of vLLM's AsyncEngineArgs; it refuses unknown ones.
    """

    max_concurrent_requests: int = 64
    gpu_memory_utilization: float = 0.9
    dtype: str = "auto"
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Checks the ranges."""
        check_limits(self, {"max_concurrent_requests": (1, inf)})
        if not 0 < self.gpu_memory_utilization <= 1:
            msg = f"gpu_memory_utilization must be in (0, 1], got {self.gpu_memory_utilization}"
            raise InvalidInputError(msg)


class VllmEngine:
    """One loaded model behind vLLM's async engine. See `GenerationEngine`."""

    constraints: frozenset[ConstraintKind] = frozenset()  # `generate` has no hook for a mask yet

    def __init__(
        self,
        folder: Path,
        config: VllmEngineConfig,
        *,
        context_tokens: int,
        share: Share,
    ) -> None:
        from vllm import AsyncEngineArgs
        from vllm.v1.engine.async_llm import AsyncLLM

        num_gpus = share.num_gpus
        memory = vllm_fraction(share, config.gpu_memory_utilization)
        self._engine = AsyncLLM.from_engine_args(
            AsyncEngineArgs(
                model=str(folder),
                dtype=config.dtype,
                max_model_len=context_tokens,
                max_num_seqs=config.max_concurrent_requests,
                gpu_memory_utilization=memory,
                tensor_parallel_size=max(1, int(num_gpus)),
                trust_remote_code=False,
                **config.options,
            )
        )

    async def generate(self, request: EngineRequest) -> AsyncGenerator[EngineStep, None]:
        """Decodes one request; see `GenerationEngine`. vLLM aborts it when this is closed."""
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind
        from vllm.v1.engine.exceptions import EngineDeadError

        sampling = SamplingParams(
            max_tokens=request.max_tokens,
            temperature=request.temperature,
            top_p=request.top_p,
            top_k=request.top_k,
            seed=request.seed,
            detokenize=False,
            output_kind=RequestOutputKind.DELTA,
        )
        prompt = {"prompt_token_ids": list(request.prompt_ids)}
        try:
            async for output in self._engine.generate(prompt, sampling, uuid.uuid4().hex):
                yield _step(output.outputs[0])
        except EngineDeadError as err:
            msg = f"vLLM has died: {err}"
            raise EngineStoppedError(msg) from err

    def check(self) -> None:
        """Raises EngineStoppedError when vLLM has died."""
        if self._engine.errored:
            msg = f"vLLM has died: {self._engine.dead_error}"
            raise EngineStoppedError(msg)

    def close(self) -> None:
        """Ends every request and vLLM's processes."""
        self._engine.shutdown()


def _step(completion: Any) -> EngineStep:
    """Makes the step of a piece of vLLM's output.

    Raises:
        EngineStoppedError: vLLM ended the answer for a reason that is not the answer's own, such
            as `abort` when it is shut down; another replica has to write the rest.
    """
    token_ids, reason = tuple(completion.token_ids), completion.finish_reason
    if reason == "stop":
        return EngineStep(token_ids=token_ids[:-1], finish_reason="stop")
    if reason not in {None, "length"}:
        msg = f"vLLM ended the answer with {reason!r}"
        raise EngineStoppedError(msg)
    return EngineStep(token_ids=token_ids, finish_reason=reason)
