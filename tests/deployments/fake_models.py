"""A replica of the Generator whose models write three words, and what it loads."""

import asyncio
from dataclasses import replace

from deployments.generator import Generator
from models.adapters.held import HeldAdapters
from models.errors import EngineStoppedError, ModelNotFoundError
from models.generation import GenerationChunk, GenerationRequest, Message
from models.identity import ModelIdentity
from tests.models.adapters.made import FULL

WORDS = ("one", "two", "three")


class FakeModel:
    """Writes three words, one whenever `steps` lets it, and tells whether it was closed."""

    def __init__(self, config):
        self.identity = ModelIdentity(
            model=config.model, source=config.model, template="", engine="fake"
        )
        self.adapters = HeldAdapters(self.identity, FULL, self, config.adapter_room)
        self.steps = asyncio.Semaphore(0)
        self.closed = False
        self.dead = False
        self.num_probes = 0

    async def prepare(self, request):
        """Refuses nothing but adapters that it does not have."""
        digest = self.adapters.digest_for(request.adapter, request.identity)
        return replace(request, adapter=digest)

    async def add_adapter(self, adapter):
        """Loads nothing."""

    async def remove_adapter(self, digest):
        """Frees nothing."""

    async def stream(self, request):
        if request.request_id == "health":
            self.num_probes += 1
            self.check()
            return
        for position, word in list(enumerate(WORDS))[len(request.delivered_token_ids) :]:
            await self.steps.acquire()
            yield GenerationChunk(
                position=position, token_ids=(position,), text=word, num_prompt_tokens=1,
                finish_reason="stop" if position == 2 else None, identity=self.identity.digest,
            )  # fmt: skip

    async def warm_up(self):
        self.check()

    def go_on(self):
        for _ in range(100):
            self.steps.release()

    def check(self):
        if self.closed or self.dead:
            msg = "the engine has ended"
            raise EngineStoppedError(msg)

    def close(self):
        self.closed = True


class Loads(list):
    """The models that were loaded, in their order; the next one waits for `may_load`."""

    def __init__(self):
        self.may_load = asyncio.Event()
        self.may_load.set()

    async def load(self, _model_class, config):
        await self.may_load.wait()
        if config.model.startswith("./bad"):
            msg = f"no model at {config.model}"
            raise ModelNotFoundError(msg)
        self.append(FakeModel(config))
        return self[-1]


class Unserved(Generator.func_or_class):
    """Serve awaits `__del__`; Python itself cannot."""

    def __del__(self):
        pass


def ask(identity=None, delivered=(), adapter=""):
    return GenerationRequest(
        adapter=adapter,
        request_id="r", messages=(Message(role="user", content="?"),),
        delivered_token_ids=delivered, identity=identity,
    )  # fmt: skip
