"""The `transformers` engine: continuous batching over a paged KV cache, on a CPU or one GPU.

Loads full-precision and GPTQ checkpoints; the latter run through GPTQModel's kernels.
"""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from pathlib import Path
from typing import Any

from models.constraints import ALL_KINDS, ConstraintKind
from models.device import Share, cache_bytes, pick_device
from models.errors import EngineStoppedError, InvalidInputError, check_limits
from models.generation import EngineRequest, EngineStats, EngineStep

UNSERVED: Mapping[str, str] = {"priority": "it decodes requests in the order that they came"}


@dataclass(frozen=True, kw_only=True)
class TransformersEngineConfig:
    """Sizes of the batch and of its KV cache.

    Attributes:
        max_concurrent_requests: requests decoded together.
        cache_tokens: tokens in the KV cache, all requests together; None: what fits on the GPU.
        page_tokens: tokens in a page of the cache.
        max_batch_tokens: most tokens in one forward pass, prompts included.
        dtype: `auto` (the checkpoint's own), `bfloat16`, `float16` or `float32`.
    """

    max_concurrent_requests: int = 16
    cache_tokens: int | None = None
    page_tokens: int = 32
    max_batch_tokens: int | None = None
    dtype: str = "auto"

    def __post_init__(self) -> None:
        """Checks the ranges."""
        sizes = ("max_concurrent_requests", "cache_tokens", "page_tokens", "max_batch_tokens")
        check_limits(self, dict.fromkeys(sizes, (1, inf)))

    @property
    def computing(self) -> dict[str, object]:
        """The settings that change an answer's numbers; the other ones say what runs when."""
        return {"dtype": self.dtype}


class TransformersEngine:
    """One loaded model behind transformers' continuous batching. See `GenerationEngine`."""

    constraints: frozenset[ConstraintKind] = ALL_KINDS
    unserved: Mapping[str, str] = UNSERVED

    def __init__(
        self, folder: Path, config: TransformersEngineConfig, *, context_tokens: int,
        share: Share,
    ) -> None:  # fmt: skip
        if config.cache_tokens is not None and config.cache_tokens < context_tokens:
            msg = (
                f"cache_tokens must hold one context of {context_tokens} tokens, "
                f"got {config.cache_tokens}"
            )
            raise InvalidInputError(msg)
        self._manager = _start(folder, config, share)
        self._open: dict[str, Callable[[], object]] = {}  # what tells a stream that all is over
        eos = self._manager.generation_config.eos_token_id
        self._counts = _Counts()
        self._eos_ids = frozenset([eos] if isinstance(eos, int) else eos)

    async def generate(self, request: EngineRequest) -> AsyncGenerator[EngineStep, None]:
        """Decodes one request; see `GenerationEngine`."""
        from models.engines.picking import Picking

        self.check()
        end_ids = request.end_ids(self._eos_ids)
        picking = Picking.of(request, sorted(self._eos_ids))
        outputs: asyncio.Queue[Any] = asyncio.Queue()
        engine_id = uuid.uuid4().hex
        self._open[engine_id] = partial(
            asyncio.get_running_loop().call_soon_threadsafe, outputs.put_nowait, None
        )
        self._manager.register_result_handler(engine_id, outputs.put_nowait)
        finished = False
        try:
            self._manager.add_request(
                list(request.prompt_ids), request_id=engine_id, streaming=True,
                max_new_tokens=request.max_tokens, eos_token_id=list(end_ids),
                **({} if picking is None else {"picking": picking}),
            )  # fmt: skip
            num_given = 0
            while not finished:
                output = await _latest(outputs)
                if output is None:
                    raise EngineStoppedError("the engine was closed")
                if output.error is not None:
                    raise EngineStoppedError(output.error)
                finished = output.is_finished()
                new_ids = output.generated_tokens[num_given:]
                step = _step(new_ids, end_ids, finished=finished)
                told = picking.told[num_given:] if picking is not None else []
                num_given = len(output.generated_tokens)
                yield replace(step, logprobs=tuple(told[: len(step.token_ids)]))
        finally:
            del self._open[engine_id]
            if not finished:
                self._forget(engine_id)

    def check(self) -> None:
        """Raises EngineStoppedError when the decoding thread has ended, or is about to."""
        status = self._manager.background_thread_status
        if not self._manager.is_running() or status.can_accept_new_requests() is not None:
            msg = f"the decoding thread has ended: {status.fatal_error}"
            raise EngineStoppedError(msg)

    def stats(self) -> EngineStats:
        """Tells how full it is."""
        processor = self._manager.batch_processor
        if processor is None:  # its thread has not begun
            return self._counts.stats(num_running=0, num_waiting=0, cache_use=0.0)
        self._counts.watch(processor)
        scheduler = processor.scheduler
        num_queued = len(scheduler.waiting_requests) + self._manager.input_queue.qsize()
        return self._counts.stats(
            num_running=len(scheduler.active_requests),
            num_waiting=num_queued,
            cache_use=_cache_use(processor.cache),
        )

    def close(self) -> None:
        """Fails what is being decoded and ends the thread."""
        if self._manager.is_running():
            self._manager.stop(block=True, timeout=5.0, hard_stop=True)
        for tell in list(self._open.values()):  # transformers leaves those that wait for a slot
            with suppress(RuntimeError):  # its loop is closed
                tell()

    def _forget(self, engine_id: str) -> None:
        self._manager.cancel_request(engine_id)
        # transformers drops a handler when its request finishes, which a cancelled one never does.
        with self._manager.output_router._lock:
            self._manager.output_router.result_handlers.pop(engine_id, None)


class _Counts:
    """Counts what transformers does and does not tell."""

    def __init__(self) -> None:
        self._num_asked = self._num_found = self._num_preempted = 0
        self._waiting: set[str] = set()  # requests that may wait for room, counted already
        self._is_watching = False

    def watch(self, processor: Any) -> None:
        """Begins to count, in place of the methods that do it."""
        if self._is_watching:
            return
        self._is_watching = True
        search = processor.cache.search_prefix_match
        offload = processor.offloading_manager.offload_requests

        def counted_search(request_id: str, prompt_ids: list[int]) -> int:
            found: int = search(request_id, prompt_ids)
            if request_id not in self._waiting:  # it is asked again at every step until it fits
                self._waiting &= processor.scheduler.waiting_requests.keys()
                self._waiting.add(request_id)
                self._num_asked += len(prompt_ids)
            self._num_found += found  # more than 0 once: then it waits no more
            return found

        def counted_offload() -> Any:
            num_active = len(processor.scheduler.active_requests)
            is_done = offload()
            self._num_preempted += num_active - len(processor.scheduler.active_requests)
            return is_done

        processor.cache.search_prefix_match = counted_search
        processor.offloading_manager.offload_requests = counted_offload

    def stats(self, *, num_running: int, num_waiting: int, cache_use: float) -> EngineStats:
        return EngineStats(
            num_running=num_running,
            num_waiting=num_waiting,
            cache_use=cache_use,
            num_prefix_asked=self._num_asked,
            num_prefix_found=self._num_found,
            num_preempted=self._num_preempted,
        )


def _step(token_ids: list[int], end_ids: frozenset[int], *, finished: bool) -> EngineStep:
    if token_ids and token_ids[-1] in end_ids:
        return EngineStep(token_ids=tuple(token_ids[:-1]), finish_reason="stop")
    return EngineStep(token_ids=tuple(token_ids), finish_reason="length" if finished else None)


async def _latest(outputs: "asyncio.Queue[Any]") -> Any:
    """Waits for an output; of several that wait, the last holds all tokens. None: all is over."""
    output = await outputs.get()
    while output is not None and not outputs.empty():
        output = outputs.get_nowait()
    return output


def _start(folder: Path, config: TransformersEngineConfig, share: Share) -> Any:
    from transformers import AutoModelForCausalLM, ContinuousBatchingConfig

    from models.engines.sampling import make_processors

    device = pick_device(share)
    if share.num_gpus > 1 and device.type == "cuda":
        msg = f"the transformers engine uses one GPU, got {share.num_gpus}; vllm uses several"
        raise InvalidInputError(msg)
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=config.dtype, use_safetensors=True, attn_implementation="sdpa"
    ).to(device)
    num_tokens = config.cache_tokens or _cache_tokens(model, device, share)
    num_blocks = num_tokens and -(-num_tokens // config.page_tokens)
    # One double buffer less, but noise keys and stops see every token before the next step.
    batching = ContinuousBatchingConfig(
        num_blocks=num_blocks, page_size=config.page_tokens,
        max_batch_tokens=config.max_batch_tokens,
        max_requests_per_batch=config.max_concurrent_requests,
        use_async_batching=False, use_cuda_graph=False,
    )  # fmt: skip
    model.generation_config.do_sample = False
    manager = model.init_continuous_batching(
        generation_config=model.generation_config, continuous_batching_config=batching
    )
    manager.logit_processor = make_processors()
    manager.start()
    return manager


def _cache_use(cache: Any) -> float:
    """The share of the cache that requests hold; what is kept of old ones is free."""
    use = 0.0
    for allocator in cache.cache_allocators.values():
        tables = list(allocator.block_table.values())  # its thread goes on meanwhile
        use = max(use, len({block for held in tables for block in held}) / allocator.num_blocks)
    return use


def _cache_tokens(model: Any, device: Any, share: Share) -> int | None:
    """Tokens in the cache that a share of a GPU has room for; None on a CPU.

    transformers itself takes 0.8 of what is free on the whole card.
    """
    import torch

    if device.type != "cuda":
        return None
    _, total = torch.cuda.mem_get_info()
    room = cache_bytes(share, total_bytes=total, held_bytes=torch.cuda.memory_allocated())
    return room // bytes_a_token(model.config.get_text_config(), model.dtype.itemsize)


def bytes_a_token(text_config: Any, bytes_a_number: int) -> int:
    """Memory that the keys and values of one token take, all layers together."""
    num_heads = text_config.num_attention_heads
    head_dim = getattr(text_config, "head_dim", None) or text_config.hidden_size // num_heads
    num_kv_heads = getattr(text_config, "num_key_value_heads", None) or num_heads
    numbers: int = 2 * text_config.num_hidden_layers * num_kv_heads * head_dim
    return numbers * bytes_a_number
