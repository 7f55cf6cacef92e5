"""A Gateway's HTTP application in a process of its own, over a shared catalog.

It answers completions slowly, with their prompts, and notes on a file which it has answered. A
prompt ends with its number: those from the number in another file on are held until it grows.

python -m tests.graphs.api.batches.answering_process <database url> <port> <notes> <held from>
"""

import asyncio
import sys
from pathlib import Path

import uvicorn

from graphs.api.app import build_app
from graphs.api.services import Services
from graphs.config import GatewayConfig
from graphs.pipeline.events import Finished, Retrieved, TextDelta, Usage
from graphs.settings import BatchSettings
from index.catalog.catalog import Catalog
from tests.graphs.fake_services import FakeCorpora

SECONDS = 0.05


class Echo:
    """Answers a question with the question."""

    def __init__(self, notes, held_from):
        self._notes = notes
        self._held_from = Path(held_from)

    async def answer(self, request):
        yield Retrieved(passages=(), search_query=None, timings=())
        await asyncio.sleep(SECONDS)
        text = request.messages[-1].content
        while True:
            if int(text.split()[-1]) < int(self._held_from.read_text()):
                break
            await asyncio.sleep(SECONDS)
        with open(self._notes, "a", encoding="utf-8") as notes:  # noqa: ASYNC230 - one short line
            notes.write(f"{text}\n")
        yield TextDelta(text=text)
        usage = Usage(num_prompt_tokens=1, num_completion_tokens=1)
        yield Finished(finish_reason="stop", usage=usage)


def main(url, port, notes, held_from):
    config = GatewayConfig(batches=BatchSettings(lease_s=1.0, poll_s=0.2, max_running=4))
    nothing = dict.fromkeys(("embedder", "reranker", "safety", "retriever"))
    corpus = FakeCorpora(Catalog(url))
    app = build_app(
        Services(config=config, pipeline=Echo(notes, held_from), corpus=corpus, **nothing)
    )
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error", loop="asyncio")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
