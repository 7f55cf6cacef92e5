"""The Generator deployment."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing, contextmanager, nullcontext
from functools import partial
from typing import Any

import ray
from ray import serve

from deployments.engine_metrics import PERIOD_S, EngineMetrics
from deployments.life.drain_watch import DrainWatch
from deployments.life.model_life import ModelLife, Steps
from deployments.light_process import light_process, set_library_defaults
from deployments.model_loading import assigned_share, load_model
from deployments.replica import ReplicaDescription, describe_replica, end_replica
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
    sampling=Sampling(max_tokens=1, temperature=0.0),  # every engine takes it
)


@serve.deployment
class Generator:
    """Streams answers, many at once.

    Duties: load the model of `user_config`, swap it or its adapters without losing a stream, free
    the slot of a stream whose reader has gone, hand over the streams that are left when the node
    goes away, prove its health by decoding, end the process when the engine has died.

    A new model is loaded beside the old one on a CPU. A GPU has no room for two: there the
    streams end first and new ones wait until the new model is loaded.

        stream, any model      -> the current one
        stream, a named model  -> the current one | one that still has streams | ModelChangedError
    """

    def __init__(self) -> None:
        self._life = ModelLife(
            Steps(
                parse=partial(parse_config, GeneratorConfig),
                load=_load,
                warm_up=_warm_up,
                retire=self._retire,
                adapt=_adapt,
            ),
            beside=lambda: assigned_share().num_gpus == 0,
        )
        self._name = uuid.uuid4().hex[:8]
        self._retiring: list[_Served] = []
        self._is_ending = False
        self._drain = DrainWatch()
        self._watching: tuple[asyncio.Task[None], ...] = ()

    async def reconfigure(self, user_config: Mapping[str, Any]) -> None:
        """Loads the model that the settings name and retires the old one."""
        await self._life.change(user_config)
        if not self._watching and ray.is_initialized():
            tasks = (self._drain.run(), self._tell_metrics())
            self._watching = tuple(map(asyncio.create_task, tasks))

    async def stream(self, request: GenerationRequest) -> AsyncIterator[GenerationChunk]:
        """Streams an answer; see `models.generator.Generator`.

        The first chunk is empty: it says that this replica has taken the request.

        Raises:
            EngineDrainingError: the node goes away, so the rest has to be written elsewhere.
            EngineStoppedError: the engine has died.
            ModelChangedError: no model that is held here has begun this answer.
            UnknownAdapterError: the model has no adapter of the name that is asked for.
        """
        self._check_drain()
        served = await self._holding(request.identity)
        self._check(served)  # whose engine has died does not say that it takes the request
        with served.in_use():
            asked = await served.model.prepare(request)  # what is refused is not taken either
            yield GenerationChunk(
                position=len(request.delivered_token_ids), token_ids=(), text="",
                finish_reason=None, num_prompt_tokens=0, attempt=request.attempt,
                identity=served.model.adapters.identity_of(asked.adapter), replica=self._name,
                model=served.model.identity.model,
            )  # fmt: skip
            try:
                async with aclosing(served.model.stream(request)) as chunks:
                    async for chunk in chunks:
                        yield chunk
                        if chunk.finish_reason is None:
                            self._check_drain()
            except EngineStoppedError:
                self._check(served)  # has it died, or given up this answer alone?
                raise

    async def profile(self) -> GeneratorProfile:
        """Gives what counts tokens elsewhere; see `models.generator.Generator`."""
        return (await self._life.current()).model.profile()

    async def num_active_streams(self) -> int:
        """Counts the streams that hold a slot of the current model."""
        return (await self._life.current()).num_streams

    async def record_autoscaling_stats(self) -> dict[str, float]:
        """Tells Serve's autoscaling how much there is to do; see `deployments.scaling`."""
        loads = [served.model.load() for served in self._held()]
        return {
            "tokens": float(sum(num_tokens for num_tokens, _ in loads)),
            "cache_use": max((cache_use for _, cache_use in loads), default=0.0),
        }

    async def describe(self) -> ReplicaDescription:
        """Tells which model runs where; none while a GPU changes from one to another."""
        served, report = self._life.loaded, self._life.report()
        return describe_replica(
            report.model, identity=served.digest if served else "", life=report,
            adapters=served.model.adapters.names if served else (),
        )  # fmt: skip

    async def check_health(self) -> None:
        """Decodes one token when idle; under load, looks whether the engine has died."""
        self._life.remind()
        served = self._life.loaded
        if served is None:
            return
        self._check(served)
        if served.num_streams == 0:
            try:
                await _probe(served)
            except EngineStoppedError:
                self._check(served)
                raise

    async def __del__(self) -> None:
        """Ends the engines, whose threads would keep the process alive."""
        self._is_ending = True
        for served in self._held():
            await asyncio.to_thread(served.model.close)

    async def _tell_metrics(self) -> None:
        """Tells now and then how busy the engines are."""
        while not self._is_ending:
            await asyncio.sleep(PERIOD_S)
            for served in self._held():
                served.metrics.record(served.model.activity())

    def _check_drain(self) -> None:
        if self._drain.is_over:
            msg = "the node of this generator goes away"
            raise EngineDrainingError(msg)

    def _check(self, served: "_Served") -> None:
        """Raises EngineStoppedError when the engine has died; that ends the replica, too."""
        try:
            served.model.check()
        except EngineStoppedError as err:
            if not self._is_ending:
                end_replica(f"the engine of {served.config.model} has died: {err}")
            raise

    def _held(self) -> list["_Served"]:
        current = self._life.loaded
        return [*([current] if current else []), *self._retiring]

    async def _holding(self, identity: str | None) -> "_Served":
        """Gives the model that has to answer, the current one where any may."""
        for served in self._held():
            if identity is not None and served.model.adapters.holds(identity):
                return served
        current = await self._life.current()
        if identity is not None and not current.model.adapters.holds(identity):
            msg = f"the answer was begun by model {identity}, but {current.digest} is served here"
            raise ModelChangedError(msg)
        return current

    async def _retire(self, served: "_Served") -> None:
        """Lets the streams end, among them resumed ones that still join, and frees the memory."""
        self._retiring.append(served)
        await served.until_idle()
        self._retiring.remove(served)
        await asyncio.to_thread(served.model.close)


async def _load(config: GeneratorConfig) -> "_Served":
    set_library_defaults()
    with light_process() if config.engine == "transformers" else nullcontext():
        served = _Served(config, await load_model(GeneratorModel, config))
    try:
        await _adapt(served, config)
    except BaseException:
        await asyncio.shield(asyncio.to_thread(served.model.close))
        raise
    return served


async def _adapt(served: "_Served", config: GeneratorConfig) -> None:
    await served.model.adapters.change(config.adapters)


async def _warm_up(served: "_Served") -> None:
    try:
        await served.model.warm_up()
    except BaseException:  # a time that ran out, too: its processes would keep their memory
        await asyncio.shield(asyncio.to_thread(served.model.close))
        raise


async def _probe(served: "_Served") -> None:
    """Decodes one token."""
    async with aclosing(served.model.stream(_PROBE)) as chunks:
        async for _ in chunks:
            pass


class _Served:
    """A loaded model and the number of streams on it."""

    def __init__(self, config: GeneratorConfig, model: GeneratorModel) -> None:
        self.config = config
        self.model = model
        self.digest = model.identity.digest
        self.metrics = EngineMetrics(config.model)
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
