"""The Generator deployment."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from contextlib import aclosing, contextmanager, nullcontext
from typing import Any

import ray
from ray import serve

from deployments.drain_watch import DrainWatch
from deployments.light_process import light_process, set_library_defaults
from deployments.model_loading import assigned_share, load_model
from deployments.replica import ReplicaDescription, describe_replica
from deployments.user_config import parse_config
from models.errors import EngineDrainingError, EngineStoppedError, ModelChangedError
from models.generation import (
    GenerationChunk,
    GenerationRequest,
    GeneratorProfile,
    Message,
    Sampling,
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

        stream, any model      -> the current one
        stream, a named model  -> the current one | one that still has streams | ModelChangedError
    """

    def __init__(self) -> None:
        self._served: _Served | None = None
        self._retiring: list[_Served] = []
        self._reloading = asyncio.Lock()
        self._loaded = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._drain = DrainWatch()
        self._watching: asyncio.Task[None] | None = None

    async def reconfigure(self, user_config: Mapping[str, Any]) -> None:
        """Loads the model that the settings name and retires the old one.

        Serve calls this with unchanged settings too, when a replica's rank changes.
        """
        config = parse_config(GeneratorConfig, user_config)
        async with self._reloading:
            old = self._served
            if old is not None and old.config == config:
                return
            if old is not None and assigned_share().num_gpus > 0:
                self._served = None  # so that nobody asks it for its health while it is closed
                self._loaded.clear()
                await self._retire(old)
                old = None
            self._served = _Served(config, await _load(config))
            self._loaded.set()
        if old is not None:
            self._run(self._retire(old))
        if self._watching is None and ray.is_initialized():
            self._watching = asyncio.create_task(self._drain.run())

    async def stream(self, request: GenerationRequest) -> AsyncIterator[GenerationChunk]:
        """Streams an answer; see `models.generator.Generator`.

        The first chunk is empty: it says that this replica has taken the request.

        Raises:
            EngineDrainingError: the node goes away, so the rest has to be written elsewhere.
            EngineStoppedError: the engine has died.
            ModelChangedError: no model that is held here has begun this answer.
        """
        self._check_drain()
        served = await self._holding(request.identity)
        served.model.check()  # whose engine has died does not say that it takes the request
        with served.in_use():
            await served.model.prepare(request)  # what is refused is not taken either
            yield GenerationChunk(
                position=len(request.delivered_token_ids), token_ids=(), text="",
                finish_reason=None, num_prompt_tokens=0, attempt=request.attempt,
                identity=served.digest,
            )  # fmt: skip
            async with aclosing(served.model.stream(request)) as chunks:
                async for chunk in chunks:
                    yield chunk
                    if chunk.finish_reason is None:
                        self._check_drain()

    async def profile(self) -> GeneratorProfile:
        """Gives what counts tokens elsewhere; see `models.generator.Generator`."""
        return (await self._current()).model.profile()

    async def num_active_streams(self) -> int:
        """Counts the streams that hold a slot of the current model."""
        return (await self._current()).num_streams

    async def describe(self) -> ReplicaDescription:
        """Tells which model runs where; none while a GPU changes from one to another."""
        if self._served is None:
            return describe_replica("")
        return describe_replica(self._served.config.model, identity=self._served.digest)

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
        """Ends the engines, whose threads would keep the process alive."""
        for served in self._held():
            await asyncio.to_thread(served.model.close)

    def _check_drain(self) -> None:
        if self._drain.is_over:
            msg = "the node of this generator goes away"
            raise EngineDrainingError(msg)

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _held(self) -> list["_Served"]:
        return [*([self._served] if self._served else []), *self._retiring]

    async def _holding(self, identity: str | None) -> "_Served":
        """Gives the model that has to answer, the current one where any may."""
        for served in self._held():
            if served.digest == identity:
                return served
        current = await self._current()
        if identity not in {None, current.digest}:
            msg = f"the answer was begun by model {identity}, but {current.digest} is served here"
            raise ModelChangedError(msg)
        return current

    async def _retire(self, served: "_Served") -> None:
        """Lets the streams end, among them resumed ones that still join, and frees the memory."""
        self._retiring.append(served)
        await served.until_idle()
        self._retiring.remove(served)
        await asyncio.to_thread(served.model.close)

    async def _current(self) -> "_Served":
        await self._loaded.wait()
        assert self._served is not None
        return self._served


async def _load(config: GeneratorConfig) -> GeneratorModel:
    set_library_defaults()
    with light_process() if config.engine == "transformers" else nullcontext():
        model = await load_model(GeneratorModel, config)
    try:
        await model.warm_up()
    except EngineStoppedError:
        await asyncio.to_thread(model.close)
        raise
    return model


class _Served:
    """A loaded model and the number of streams on it."""

    def __init__(self, config: GeneratorConfig, model: GeneratorModel) -> None:
        self.config = config
        self.model = model
        self.digest = model.identity.digest
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

    async def until_idle(self) -> None:
        while self.num_streams > 0:  # one may have joined since the event was set
            await self._idle.wait()
