"""The model that a replica serves, and what happens when its settings name another one.

    first       load --> served              a failure ends the replica, and Serve says why
    beside      served (old) .. load --> served (new)         a failure: the old one goes on
    in its place      retire (old), load --> served (new)     a failure: the old one is loaded again

Serve takes a replica out of its routers while `reconfigure` runs, so beside the old one a model is
loaded after that has returned: nobody waits for it. In its place, on a GPU without room for two,
`reconfigure` runs until the end: Serve changes one replica after the other.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeVar

from deployments.life.serve_status import tell
from deployments.observing.logs import join_serve_logs
from deployments.observing.metrics import Meter
from deployments.observing.replica import record_memory
from models.device import release_memory
from models.errors import LoadTimeoutError, ModelError

logger = logging.getLogger(__name__)

Phase = Literal["loading", "warming up", "serving"]
_SHOWN_CHARS = 500  # of a failure


class LoadSettings(Protocol):
    """What the settings of every model have."""

    @property
    def model(self) -> str:
        """The model id."""
        ...

    @property
    def load_timeout_s(self) -> float:
        """A load that takes longer has failed."""
        ...


Config = TypeVar("Config", bound=LoadSettings)
Loaded = TypeVar("Loaded")


@dataclass(frozen=True, kw_only=True)
class LifeReport:
    """How far a model is.

    Attributes:
        model: what answers; empty while there is none.
        phase: of the model that is wanted.
        phase_s: for how long.
        load_s: how long what answers took to load and to warm up.
        failure: why the wanted model does not answer, though its settings were deployed.
    """

    model: str = ""
    phase: Phase = "loading"
    phase_s: float = 0.0
    load_s: float = 0.0
    failure: str = ""


@dataclass(frozen=True, kw_only=True)
class Steps(Generic[Config, Loaded]):
    """What differs from model to model.

    Attributes:
        parse: reads the `user_config`.
        load: loads a model.
        warm_up: answers once, which shows a kernel that is missing.
        retire: lets the calls of a model end and frees its memory.
        adapt: takes over what settings may change of a loaded model, such as its adapters; raises
            ModelError when it cannot, and leaves the model as it was.
    """

    parse: Callable[[Mapping[str, Any]], Config]
    load: Callable[[Config], Awaitable[Loaded]]
    warm_up: Callable[[Loaded], Awaitable[object]]
    retire: Callable[[Loaded], Awaitable[None]]
    adapt: Callable[[Loaded, Config], Awaitable[None]] | None = None


class ModelLife(Generic[Config, Loaded]):
    """Keeps one model served. Settings that are the wanted ones already do nothing.

    Args:
        steps: what differs from model to model.
        beside: whether there is room for two; asked at each change.
    """

    def __init__(
        self, steps: Steps[Config, Loaded], *, beside: Callable[[], bool] = lambda: True
    ) -> None:
        self._steps = steps
        self._beside = beside
        self._served: tuple[Config, Loaded] | None = None
        self._wanted: Config | None = None
        self._failure = ""
        self._load_s = 0.0
        self._has_told = False
        self._phase: Phase = "loading"
        self._since = time.monotonic()
        self._has_model = asyncio.Event()
        self._changing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._meter = Meter()
        join_serve_logs()

    @property
    def loaded(self) -> Loaded | None:
        """What answers; none while a GPU changes from one to another."""
        return self._served[1] if self._served else None

    @property
    def config(self) -> Config | None:
        """The settings of what answers."""
        return self._served[0] if self._served else None

    async def current(self) -> Loaded:
        """Waits for a model that answers."""
        await self._has_model.wait()
        assert self._served is not None
        return self._served[1]

    async def change(self, user_config: Mapping[str, Any]) -> None:
        """Takes over settings; the first ones must be good, others may be wrong.

        Raises:
            ModelError: the first settings make no sense, or name a model that cannot be loaded.
        """
        try:
            config = self._steps.parse(user_config)
        except ModelError as err:
            if self._wanted is None:  # the first ones
                raise
            self._fail(str(err))
            return
        if config == self._wanted and not self._has_more_time(config):
            if config == self.config:
                await self._adapt(config)
            return  # Serve does so when a replica's rank changes
        self._wanted = config
        if self._served is not None and self._beside():
            self.run(self._change_beside(config))
        else:
            await self._change_in_place(config)

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs something that nobody waits for."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def report(self) -> LifeReport:
        """Tells how far it is."""
        return LifeReport(
            model=self._served[0].model if self._served else "",
            phase=self._phase,
            phase_s=round(time.monotonic() - self._since, 3),
            load_s=round(self._load_s, 3),
            failure=self._failure,
        )

    def remind(self) -> None:
        """Tells a failure again, which Serve forgets when a replica starts or stops; and memory."""
        record_memory(self._meter)
        if self._failure:
            self._tell(self._failure)

    def _has_more_time(self, config: Config) -> bool:
        """Whether a load that failed may take longer now."""
        wanted = self._wanted
        failed = bool(self._failure) and wanted is not None and wanted != self.config
        return failed and wanted is not None and config.load_timeout_s > wanted.load_timeout_s

    async def _adapt(self, config: Config) -> None:
        """Takes over the rest of settings whose model is loaded."""
        assert self._served is not None
        if self._steps.adapt is not None:
            try:
                await self._steps.adapt(self._served[1], config)
            except ModelError as err:
                self._fail(str(err))
                return
        self._served = (config, self._served[1])  # in its place again when another one fails
        if self._failure:  # what did not parse, or could not be taken over, is taken back
            self._succeed()

    async def _begin(self, config: Config) -> None:
        try:
            self._serve(config, await self._load(config))
        except BaseException:
            if self._wanted == config:  # others may wait for their turn
                self._wanted = None
            raise

    async def _change_beside(self, config: Config) -> None:
        async with self._changing:
            assert self._served is not None
            if config != self._wanted:
                return  # other settings came while this change waited for its turn
            if config == self._served[0]:
                self._succeed()
                return
            self._tell(f"{config.model} is loaded; {self._served[0].model} answers meanwhile")
            new = await self._try(config)
            if new is None:
                return
            old = self._served[1]
            self._serve(config, new)
        await self._steps.retire(old)

    async def _change_in_place(self, config: Config) -> None:
        async with self._changing:
            if self._served is None:
                await self._begin(config)
                return
            old, model = self._served
            if config == old:
                self._succeed()
                return
            self._served = None  # so that nobody asks it for its health while it is closed
            self._has_model.clear()
            await self._steps.retire(model)
            del model
            new = await self._try(config)
            if new is not None:
                self._serve(config, new)
                return
            release_memory()
            failure = self._failure
            self._serve(old, await self._load(old))
            self._fail(failure)

    async def _try(self, config: Config) -> Loaded | None:
        """Loads a model; none, and the reason told, when that fails."""
        try:
            return await self._load(config)
        except Exception as err:  # whatever keeps a model from its place, the old one goes on
            self._fail(f"{config.model} cannot be served: {type(err).__name__}: {err}")
            return None

    async def _load(self, config: Config) -> Loaded:
        """Loads and warms up.

        Raises:
            LoadTimeoutError: that took longer than `load_timeout_s`.
        """
        start = time.monotonic()
        try:
            async with asyncio.timeout(config.load_timeout_s):
                self._enter("loading", config.model)
                loaded = await self._steps.load(config)
                self._enter("warming up", config.model)
                await self._steps.warm_up(loaded)
        except TimeoutError as err:
            msg = (
                f"{self._phase} took longer than load_timeout_s, "
                f"{config.load_timeout_s:g} s, allows"
            )
            raise LoadTimeoutError(msg) from err
        self._load_s = time.monotonic() - start
        return loaded

    def _enter(self, phase: Phase, model: str) -> None:
        self._phase, self._since = phase, time.monotonic()
        logger.info("model=%s phase=%s", model, phase)

    def _serve(self, config: Config, loaded: Loaded) -> None:
        self._served = (config, loaded)
        self._has_model.set()
        self._succeed()
        logger.info("model=%s phase=serving load_s=%.1f", config.model, self._load_s)

    def _succeed(self) -> None:
        self._failure = ""
        self._phase, self._since = "serving", time.monotonic()
        self._tell("")

    def _fail(self, reason: str) -> None:
        """Takes note of why the wanted model does not answer."""
        is_cut = len(reason) > _SHOWN_CHARS
        self._failure = f"{reason[:_SHOWN_CHARS]}..." if is_cut else reason
        if self._served is not None:
            self._phase, self._since = "serving", time.monotonic()
            self._failure += f"; {self._served[0].model} goes on answering"
        logger.error("%s", self._failure)
        self._tell(self._failure)

    def _tell(self, message: str) -> None:
        if message or self._has_told:
            tell(message)
        self._has_told = bool(message)
