"""The Generator deployment."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager, nullcontext
from typing import Any

import ray
from ray import serve

from deployments.drain_watch import DrainWatch
from deployments.light_process import light_process, set_library_defaults
from deployments.model_loading import assigned_share, load_model
from deployments.replica import ReplicaDescription, describe_replica
from deployments.user_config import parse_config
from models.errors import EngineDrainingError
from models.generation import (
    GenerationChunk,
    GenerationRequest,
    Message,
    Sampling,
    TokenCounts,
)
from models.generator import Generator as GeneratorModel
from models.generator import GeneratorConfig

_PROBE = GenerationRequest(
    request_id="health",
    messages=(Message(role="user", content="health"),),
    sampling=Sampling(max_tokens=1),
)


@serve.deployment
class Generator:
    """Streams answers, many at once.

    Duties: load the model of `user_config`, swap it without losing a stream, free the slot of a
    stream whose reader has gone, hand over the streams that are left when the node goes away,
    prove its health by decoding.

    A new model is loaded beside the old one on a CPU. A GPU has no room for two: there the
    streams end first and new ones wait until the new model is loaded.
    """

    def __init__(self) -> None:
        self._served: _Served | None = None
        self._loaded = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._drain = DrainWatch()

    async def reconfigure(self, user_config: Mapping[str, Any]) -> None:
        """Loads the model that the settings name and retires the old one."""
        config = parse_config(GeneratorConfig, user_config)
        old = self._served
        is_first = old is None
        if old is not None and assigned_share().num_gpus > 0:
            self._loaded.clear()
            await old.retire()
            old = None
        self._served = _Served(await _load(config))
        self._config = config
        if is_first and ray.is_initialized():
            self._run(self._drain.run())
        self._loaded.set()
        if old is not None:
            self._run(old.retire())

    async def stream(self, request: GenerationRequest) -> AsyncIterator[GenerationChunk]:
        """Streams an answer; see `models.generator.Generator`.

        The first chunk is empty: it says that this replica has taken the request.

        Raises:
            EngineDrainingError: the node goes away, so the rest has to be written elsewhere.
        """
        self._check_drain()
        served = await self._current()
        with served.in_use():
            yield GenerationChunk(
                position=len(request.delivered_token_ids), token_ids=(), text="",
                finish_reason=None, num_prompt_tokens=0, attempt=request.attempt,
            )  # fmt: skip
            async with aclosing(served.model.stream(request)) as chunks:
                async for chunk in chunks:
                    yield chunk
                    if chunk.finish_reason is None:
                        self._check_drain()

    async def count_tokens(self, texts: Sequence[str]) -> TokenCounts:
        """Counts tokens; see `models.generator.Generator`."""
        served = await self._current()
        return await asyncio.to_thread(served.model.count_tokens, texts)

    async def num_active_streams(self) -> int:
        """Counts the streams that hold a slot of the current model."""
        return (await self._current()).num_streams

    async def describe(self) -> ReplicaDescription:
        """Tells which model runs where."""
        return describe_replica(self._config.model)

    async def check_health(self) -> None:
        """Decodes one token when idle; under load, raises when the engine has died."""
        if self._served is None:
            return
        self._served.model.check()
        if self._served.num_streams == 0:
            async with aclosing(self._served.model.stream(_PROBE)) as chunks:
                async for _ in chunks:
                    pass

    async def __del__(self) -> None:
        """Ends the engine, whose thread would keep the process alive."""
        if self._served is not None:
            await asyncio.to_thread(self._served.model.close)

    def _check_drain(self) -> None:
        if self._drain.is_over:
            msg = "the node of this generator goes away"
            raise EngineDrainingError(msg)

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _current(self) -> "_Served":
        await self._loaded.wait()
        assert self._served is not None
        return self._served


async def _load(config: GeneratorConfig) -> GeneratorModel:
    set_library_defaults()
    with light_process() if config.engine == "transformers" else nullcontext():
        return await load_model(GeneratorModel, config)


class _Served:
    """A loaded model and the number of streams on it."""

    def __init__(self, model: GeneratorModel) -> None:
        self.model = model
        self.num_streams = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @contextmanager
    def in_use(self) -> Iterator[None]:
        self.num_streams += 1
        self._idle.clear()
        try:
            yield
        finally:
            self.num_streams -= 1
            if self.num_streams == 0:
                self._idle.set()

    async def retire(self) -> None:
        """Waits for the streams to end and frees the memory."""
        await self._idle.wait()
        await asyncio.to_thread(self.model.close)
