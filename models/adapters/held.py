"""LoRA adapters of a loaded model: what is refused of their files, which are held, who uses them.

    change({"legal": folder})  read and check all --> load the new --> serve these --> retire others
    stream of a served one     counted; what retires is unloaded when its last stream has ended

An answer goes on with its own adapter alone: the digest of the adapter's files is part of the
identity, and a retiring one still takes the answers that it has begun.
"""

import asyncio
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

from models.adapters.files import Adapter, module_names, read_adapter
from models.errors import InvalidInputError, ModelChangedError, UnknownAdapterError
from models.generation import GenerationEngine
from models.identity import ModelIdentity

RANKS = (8, 16, 32, 64, 128, 256)
_NAME = re.compile(r"[\w.-]{1,64}")


@dataclass(frozen=True, kw_only=True)
class AdapterRoom:
    """How many adapters there is room for.

    Attributes:
        num: adapters that requests decoded together may use; as many again fit in memory, so that
            new ones are loaded beside those that retire.
        rank: the highest rank of their matrices.
    """

    num: int
    rank: int


@runtime_checkable
class AdapterEngine(Protocol):
    """An engine that decodes with adapters; `EngineRequest.adapter` names one by its digest."""

    async def add_adapter(self, adapter: Adapter) -> None:
        """Loads one.

        Raises:
            InvalidInputError: the model cannot take it.
        """
        ...

    async def remove_adapter(self, digest: str) -> None:
        """Frees the memory of one that no request uses."""
        ...


def check_adapters(adapters: Mapping[str, str], room: AdapterRoom | None) -> None:
    """Checks the names and the number of adapters; looks for no files.

    Raises:
        InvalidInputError: names the setting.
    """
    most = room.num if room else 0
    if len(adapters) > most:
        msg = f"adapters must be at most max_adapters, {most}, got {len(adapters)}"
        raise InvalidInputError(msg)
    for name in adapters:
        if not _NAME.fullmatch(name):
            msg = f"adapters must have names of 1 to 64 letters, digits or ._-, got {name!r}"
            raise InvalidInputError(msg)
    if room is not None and room.rank not in RANKS:
        msg = f"max_adapter_rank must be one of {RANKS}, got {room.rank}"
        raise InvalidInputError(msg)


class HeldAdapters:
    """The adapters that a loaded model holds.

    Args:
        base: identity of the model alone.
        folder: the model's checkpoint.
        engine: what decodes, and loads them where it can.
        room: how many there is room for.
    """

    def __init__(
        self,
        base: ModelIdentity,
        folder: Path,
        engine: GenerationEngine,
        room: AdapterRoom | None,
    ) -> None:
        self._base = base
        self._folder = folder
        self._engine = engine if isinstance(engine, AdapterEngine) else None
        self._room = room
        self._served: dict[str, Adapter] = {}
        self._held: dict[str, _Use] = {}  # by the digest of the files
        self._changing = asyncio.Lock()

    @property
    def names(self) -> tuple[str, ...]:
        """Those that a request may name."""
        return tuple(self._served)

    @property
    def identities(self) -> tuple[str, ...]:
        """Digests of the model with each adapter that it still holds."""
        return tuple(self._identity(digest) for digest in self._held)

    def holds(self, identity: str) -> bool:
        """Says whether an answer that was begun by this identity can go on here."""
        return identity == self._base.digest or identity in self.identities

    def digest_for(self, name: str, identity: str | None) -> str:
        """Gives the digest of the adapter that has to answer; empty: the model alone.

        Args:
            name: as the request names it; empty: none.
            identity: what began the answer; that counts, also when its name is gone.

        Raises:
            UnknownAdapterError: no adapter has the name.
            ModelChangedError: what began the answer is not held here.
        """
        if identity is not None:
            if identity == self._base.digest:
                return ""
            for digest in self._held:
                if self._identity(digest) == identity:
                    return digest
            msg = f"the answer was begun by model {identity}, which is not held here"
            raise ModelChangedError(msg)
        if not name:
            return ""
        if name not in self._served:
            known = ", ".join(self._served) or "none"
            msg = f"the model has no adapter {name!r}; it has {known}"
            raise UnknownAdapterError(msg)
        return self._served[name].digest

    def identity_of(self, digest: str) -> str:
        """Gives the identity of the model with an adapter; an empty digest stands for none."""
        return self._identity(digest) if digest else self._base.digest

    @contextmanager
    def in_use(self, digest: str) -> Iterator[None]:
        """Keeps an adapter loaded.

        Raises:
            UnknownAdapterError: it has gone since it was found.
        """
        if not digest:
            yield
            return
        use = self._held.get(digest)
        if use is None:
            msg = "the adapter was taken out before its answer began"
            raise UnknownAdapterError(msg)
        with use.in_use():
            yield

    async def change(self, wanted: Mapping[str, str]) -> None:
        """Serves these adapters, and no others to new requests.

        Args:
            wanted: name -> folder.

        Raises:
            InvalidInputError: one cannot be served; those that were served are served as before.
        """
        async with self._changing:
            check_adapters(wanted, self._room)
            read = await asyncio.to_thread(self._read, wanted)
            await self._load({one.digest: one for one in read.values()})
            self._served = read
            kept = {one.digest for one in read.values()}
            for digest, use in list(self._held.items()):
                if digest not in kept and use.retires is None:
                    use.retires = asyncio.create_task(self._retire(digest, use))

    def _read(self, wanted: Mapping[str, str]) -> dict[str, Adapter]:
        if not wanted:
            return {}
        assert self._room is not None
        modules, rank = module_names(self._folder), self._room.rank
        return {
            name: read_adapter(name, Path(folder), modules=modules, max_rank=rank)
            for name, folder in wanted.items()
        }

    async def _load(self, wanted: Mapping[str, Adapter]) -> None:
        """Loads what is not held; none of it when one cannot be."""
        new = [one for digest, one in wanted.items() if digest not in self._held]
        if not new and not wanted:
            return
        assert self._room is not None
        assert self._engine is not None
        if len(self._held) + len(new) > 2 * self._room.num:
            msg = (
                f"adapters cannot be loaded before those that retire have ended their answers: "
                f"{2 * self._room.num} fit, {len(self._held)} are held, {len(new)} are new"
            )
            raise InvalidInputError(msg)
        loaded: list[str] = []
        try:
            for one in new:
                await self._engine.add_adapter(one)
                loaded.append(one.digest)
        except BaseException:
            for digest in loaded:
                await self._engine.remove_adapter(digest)
            raise
        self._held |= {digest: _Use() for digest in loaded}
        for digest in wanted:
            self._held[digest].stay()

    async def _retire(self, digest: str, use: "_Use") -> None:
        await use.until_idle()
        assert self._engine is not None
        del self._held[digest]  # first, so that no stream begins with what is unloaded
        await self._engine.remove_adapter(digest)

    def _identity(self, digest: str) -> str:
        return replace(self._base, adapter=digest).digest


class _Use:
    """How many streams use an adapter, and what waits for their end."""

    def __init__(self) -> None:
        self.retires: asyncio.Task[None] | None = None
        self._num = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def stay(self) -> None:
        """Takes back that it retires."""
        if self.retires is not None:
            self.retires.cancel()
            self.retires = None

    @contextmanager
    def in_use(self) -> Iterator[None]:
        self._num += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._num -= 1
            if self._num == 0:
                self._idle.set()

    async def until_idle(self) -> None:
        while self._num > 0:
            await self._idle.wait()
