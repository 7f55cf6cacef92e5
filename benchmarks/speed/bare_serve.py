"""The least that an answer costs on Ray Serve: two streams between processes, nothing in them.

client -> proxy -> Relay -> Words, and each word back the same way
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from ray import serve
from ray.serve import Application

_api = FastAPI()


class Words:
    """Writes at a steady pace."""

    async def write(self, num: int, pause_s: float) -> AsyncGenerator[str, None]:
        """Gives so many words, the first one at once."""
        for place in range(num):
            if place:
                await asyncio.sleep(pause_s)
            yield "word "


@serve.ingress(_api)
class Relay:
    """Hands on what is written, an event a word."""

    def __init__(self, words: Any) -> None:
        self._words = words.options(stream=True)

    @_api.post("/")
    async def write(self, num: int, pause_s: float) -> StreamingResponse:
        """Streams so many words, `pause_s` apart."""

        async def events() -> AsyncGenerator[str, None]:
            async for word in self._words.write.remote(num, pause_s):
                yield f'data: {{"content":"{word}"}}\n\n'

        return StreamingResponse(events(), media_type="text/event-stream")


def build(arguments: dict[str, str]) -> Application:
    """The application; it takes no arguments."""
    options = {"max_ongoing_requests": 256, "ray_actor_options": {"num_cpus": 0}}
    words = serve.deployment(Words).options(**options).bind()
    return serve.deployment(Relay).options(**options).bind(words)
