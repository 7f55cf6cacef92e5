"""The `vllm` engine: GPTQ through Marlin kernels, tensor parallel over several GPUs.

vLLM is the optional extra `gpu`; it is imported when this engine is chosen and at no other time.
"""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Mapping
from contextlib import ExitStack, aclosing
from dataclasses import fields
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.adapters.files import Adapter
from models.adapters.held import AdapterRoom
from models.constraints import ConstraintKind
from models.device import Share, as_served, check_cards, vllm_fraction
from models.engines.vllm_config import (
    TOLD_ELSEWHERE,
    UNSERVED_SPECULATING_ON_CPU,
    VllmEngineConfig,
)
from models.errors import (
    EngineBusyError,
    EngineStoppedError,
    InvalidInputError,
    check_names,
)
from models.generation import EngineRequest, EngineStats, EngineStep, TokenLogprob

if TYPE_CHECKING:
    from models.engines.vllm_stats import KeptStats


class VllmEngine:
    """One loaded model behind vLLM's async engine. See `GenerationEngine`.

    All requests have to come from one event loop, the one of the first.
    """

    def __init__(
        self,
        folder: Path,
        config: VllmEngineConfig,
        *,
        context_tokens: int,
        share: Share,
        adapters: AdapterRoom | None = None,
    ) -> None:
        from vllm import AsyncEngineArgs

        self.constraints: frozenset[ConstraintKind] = config.constraints
        self.unserved: Mapping[str, str] = config.unserved
        self._speculates = config.speculates
        if self._speculates:
            self.unserved = {**self.unserved, **_unserved_here(adapters)}
        known = {one.name for one in fields(AsyncEngineArgs)}
        check_names("engine_options.options", config.options, known - set(TOLD_ELSEWHERE))
        share = as_served(share)
        check_cards(share)  # vLLM itself does not tell who holds what it lacks
        memory = vllm_fraction(share, config.gpu_memory_utilization)
        arguments = AsyncEngineArgs(
            model=str(folder),
            dtype=config.dtype,
            max_model_len=context_tokens,
            max_num_seqs=config.max_concurrent_requests,
            gpu_memory_utilization=memory,
            tensor_parallel_size=max(1, int(share.num_gpus)),
            trust_remote_code=False,
            # Requests of equal priority are served as they come.
            **{"scheduling_policy": "priority", **_lora(adapters), **config.options},
        )
        self._kept: list[KeptStats] = []
        self._engine = _start(arguments, _environment(config, share), self._keep_stats)
        self._end_ids = _end_ids(self._engine)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_closed = False
        self._adapters: dict[str, Any] = {}  # vLLM's own requests for them, by their digests
        self._adapter_ids = count(1)  # each has another number at vLLM, also one that returns

    async def generate(self, request: EngineRequest) -> AsyncGenerator[EngineStep, None]:
        """Decodes one request; see `GenerationEngine`. vLLM aborts it when this is closed."""
        from vllm.exceptions import GracefulHTTPError, VLLMClientError, VLLMError
        from vllm.inputs.engine import tokens_input

        from models.engines.vllm_picking import sampling_params

        self.check()
        self._loop = asyncio.get_running_loop()
        try:
            prompt = tokens_input(list(request.prompt_ids))
            outputs = self._engine.generate(
                prompt,
                sampling_params(request, self._end_ids, speculates=self._speculates),
                uuid.uuid4().hex,
                priority=request.sampling.place,
                lora_request=self._adapters[request.adapter] if request.adapter else None,
            )
            async with aclosing(outputs):
                async for output in outputs:
                    yield _step(output.outputs[0], request.sampling.top_logprobs)
        except VLLMClientError as err:
            msg = f"vLLM refuses the request: {err}"
            raise InvalidInputError(msg) from err
        except GracefulHTTPError as err:
            raise EngineBusyError(str(err)) from err
        except VLLMError as err:  # of the core's death or, with a cause, of this request's
            msg = f"vLLM has lost the request: {err.__cause__ or err}"
            raise EngineStoppedError(msg) from err

    async def add_adapter(self, adapter: Adapter) -> None:
        """Loads an adapter; see `AdapterEngine`.

        Its name at vLLM is its digest: cached prefixes are told apart by that alone.
        """
        from vllm.lora.request import LoRARequest
        from vllm.v1.engine.exceptions import EngineDeadError

        self.check()
        asked = LoRARequest(adapter.digest, next(self._adapter_ids), str(adapter.folder))
        try:
            await self._engine.add_lora(asked)
        except EngineDeadError as err:
            raise EngineStoppedError(f"vLLM has died: {err}") from err
        except Exception as err:  # vLLM has no class for what its core process tells
            msg = f"adapters: vLLM cannot load {adapter.name!r} from {adapter.folder}: {err}"
            raise InvalidInputError(msg) from err
        self._adapters[adapter.digest] = asked

    async def remove_adapter(self, digest: str) -> None:
        """Frees the memory of an adapter that no request uses."""
        asked = self._adapters.pop(digest)
        if not self._is_closed and not self._engine.errored:
            await self._engine.remove_lora(asked.lora_int_id)

    def check(self) -> None:
        """Raises EngineStoppedError when vLLM has died or was closed."""
        if self._is_closed:
            msg = "vLLM was closed"
            raise EngineStoppedError(msg)
        if self._engine.errored:
            msg = f"vLLM has died: {self._engine.dead_error}"
            raise EngineStoppedError(msg)

    def stats(self) -> EngineStats:
        """Tells how full vLLM is, as its scheduler told last."""
        return self._kept[0].stats(len(self._engine.output_processor.request_states))

    def close(self) -> None:
        """Ends every request and vLLM's processes."""
        if self._is_closed:
            return
        self._is_closed = True
        from vllm.v1.engine.exceptions import EngineDeadError

        # vLLM itself would tell the streams that they were aborted, or nothing at all.
        if self._loop is not None and not self._loop.is_closed():
            lose = self._engine.output_processor.propagate_error
            self._loop.call_soon_threadsafe(lose, EngineDeadError())
        self._engine.shutdown()

    def _keep_stats(self, vllm_config: Any, engine_index: int) -> "KeptStats":
        from models.engines.vllm_stats import KeptStats

        self._kept.append(KeptStats(vllm_config, engine_index))
        return self._kept[-1]


def _unserved_here(adapters: AdapterRoom | None) -> Mapping[str, str]:
    """Gives what else of a request is refused where vLLM speculates, on this machine.

    Raises:
        InvalidInputError: adapters are to be served as well.
    """
    from vllm.platforms import current_platform

    if adapters is not None:
        msg = "speculative_config does not go with max_adapters: rows without an adapter need the"
        raise InvalidInputError(f"{msg} logits processor that it leaves out")
    return UNSERVED_SPECULATING_ON_CPU if current_platform.is_cpu() else {}


def _lora(adapters: AdapterRoom | None) -> dict[str, Any]:
    """Gives vLLM's arguments for adapters; those that retire have room beside the new ones."""
    if adapters is None:
        return {}
    return {
        "enable_lora": True,
        "max_loras": adapters.num,
        "max_cpu_loras": 2 * adapters.num,
        "max_lora_rank": adapters.rank,
    }


def _environment(config: VllmEngineConfig, share: Share) -> dict[str, str]:
    """Gives what vLLM's processes read from the environment alone."""
    # Forked from a process that has threads, one may wait for ever for a lock.
    made = {"VLLM_WORKER_MULTIPROC_METHOD": "spawn"}
    if as_served(share).num_gpus == 0 and share.num_threads is not None:
        # Bound threads of two replicas would share the same cores.
        made |= {"OMP_NUM_THREADS": str(share.num_threads), "VLLM_CPU_OMP_THREADS_BIND": "nobind"}
    if config.batch_invariant:
        made["VLLM_BATCH_INVARIANT"] = "1"
    return made


def _start(arguments: Any, environment: Mapping[str, str], keep_stats: Any = None) -> Any:
    """Starts vLLM's processes, which pick tokens as `models.engines.vllm_picking` says.

    Raises:
        EngineStoppedError: they ended before they were ready; the log says why.
    """
    from vllm.utils.system_utils import set_env_var
    from vllm.v1.engine.async_llm import AsyncLLM

    from models.engines.vllm_picking import processor_name

    with ExitStack() as stack:
        for name, value in environment.items():
            stack.enter_context(set_env_var(name, value))
        config = arguments.create_engine_config()
        if config.speculative_config is None:  # vLLM has either the one or the other
            name = processor_name(uses_second_runner=config.use_v2_model_runner)
            config.model_config.logits_processors = [name]
        try:
            return AsyncLLM.from_vllm_config(
                config,
                enable_log_requests=arguments.enable_log_requests,
                disable_log_stats=arguments.disable_log_stats,
                stat_loggers=[keep_stats] if keep_stats is not None else None,
            )
        except RuntimeError as err:
            msg = f"vLLM did not start: {err}"
            raise EngineStoppedError(msg) from err


def _end_ids(engine: Any) -> tuple[int, ...]:
    """Gives the ids that end an answer of the model, as vLLM adds them to each request."""
    from vllm import SamplingParams

    params = SamplingParams()
    params.update_from_generation_config(
        engine.input_processor.generation_config_fields, engine.renderer.get_eos_token_id()
    )
    return tuple(sorted(params.all_stop_token_ids))


def _step(completion: Any, top_logprobs: int | None = None) -> EngineStep:
    """Makes the step of a piece of vLLM's output.

    Args:
        completion: vLLM's, of new tokens only.
        top_logprobs: so many likeliest ids are told beside each token; None: nothing is.

    Raises:
        EngineStoppedError: vLLM ended the answer for a reason that is not the answer's own, such
            as `abort` when it is shut down; another replica has to write the rest.
    """
    token_ids, reason = tuple(completion.token_ids), completion.finish_reason
    if reason not in {None, "length", "stop"}:
        msg = f"vLLM ended the answer with {reason!r}"
        raise EngineStoppedError(msg)
    if reason == "stop":
        token_ids = token_ids[:-1]
    told = () if top_logprobs is None else completion.logprobs or ()
    logprobs = tuple(
        _told(token_id, values, top_logprobs or 0)
        for token_id, values in zip(token_ids, told, strict=False)
    )
    return EngineStep(token_ids=token_ids, finish_reason=reason, logprobs=logprobs)


def _told(token_id: int, values: Mapping[int, Any], num_top: int) -> TokenLogprob:
    """Reads what vLLM tells of a token: its own rank and probability and the likeliest ones'."""
    best = sorted((one.rank, other, one.logprob) for other, one in values.items())
    top = tuple((other, logprob) for rank, other, logprob in best if rank <= num_top)
    return TokenLogprob(token_id=token_id, logprob=values[token_id].logprob, top=top)
