"""An engine without a model: the next id is a hash of the last ones. See `GenerationEngine`."""

import asyncio
from typing import ClassVar

import torch

from models.constraints import ALL_KINDS
from models.engines.picking import Picking, picked_scores, row_of
from models.engines.seeded import gumbel_noise, noise_keys
from models.errors import EngineStoppedError
from models.generation import EngineStats, EngineStep

_SPREAD = 2.0  # of its logits, so that draws differ from the likeliest ids
_LONGEST = 60  # ids of an answer, after which it is likely to end


class FakeEngine:
    """Decodes up to 32 requests at once, each id for itself."""

    constraints = ALL_KINDS
    unserved: ClassVar = {"priority": "it has no order"}

    def __init__(self, vocabulary_size, end_id):
        self._vocabulary_size = vocabulary_size
        self._end_id = end_id
        self._slots = asyncio.Semaphore(32)
        self._ended = None
        self.num_active = 0
        self.adapters = set()

    async def add_adapter(self, adapter):
        await asyncio.sleep(0)
        self.adapters.add(adapter.digest)

    async def remove_adapter(self, digest):
        self.adapters.remove(digest)

    async def generate(self, request):
        self.check()
        ids = list(request.prompt_ids)
        picking = Picking.of(request, [self._end_id])
        end_ids = request.end_ids([self._end_id])
        self.num_active += 1
        try:
            async with self._slots:
                for num_left in range(request.max_tokens - 1, -1, -1):
                    await asyncio.sleep(0)
                    self.check()
                    assert request.adapter in {"", *self.adapters}
                    ids.append(self._next_id(picking, ids, request))
                    if ids[-1] in end_ids:
                        yield EngineStep(token_ids=(), finish_reason="stop")
                        return
                    reason = "length" if num_left == 0 else None
                    told = tuple(picking.told[-1:]) if picking is not None else ()
                    yield EngineStep(token_ids=(ids[-1],), finish_reason=reason, logprobs=told)
        finally:
            self.num_active -= 1

    def _next_id(self, picking, ids, request):
        seed = int(request.adapter or "0", 16) % 2**31 + (ids[-2] if len(ids) > 1 else 0)
        key = noise_keys(torch.tensor([seed]), torch.tensor([ids[-1]]))
        logits = gumbel_noise(key, self._vocabulary_size) * _SPREAD
        logits[0, self._end_id] = 20.0 if len(ids) - request.answer_start >= _LONGEST else -20.0
        rows = [] if picking is None else [row_of(0, picking, ids)]
        return int(picked_scores(logits, rows).argmax())

    def stats(self):
        return EngineStats(
            num_running=min(self.num_active, 32), num_waiting=max(self.num_active - 32, 0),
            cache_use=self.num_active / 100, num_prefix_asked=0, num_prefix_found=0,
            num_preempted=0,
        )  # fmt: skip

    def check(self):
        if self._ended is not None:
            raise EngineStoppedError(self._ended)

    def kill(self):
        self._ended = "the engine has died"

    def close(self):
        self._ended = self._ended or "the engine was closed"
