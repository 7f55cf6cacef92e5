"""`python -m benchmarks.durability.lone_ingester URL STORE_ID NAME`: the real Ingester, alone.

For pausing one of two: Serve would replace a replica that does not answer. The embedder is the
simulated one. The process writes documents to the store and says on its standard output what it was
told; when its standard input ends it writes no more, and ends when no document waits.
"""

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any

from chaos.ledger import markdown_of
from chaos.simulated.app import Embedder
from deployments.ingester import Ingester
from graphs.caller import DEFAULT_CALLER
from graphs.corpus_client import CallerCorpus
from index.errors import CorpusUnavailableError

_WORK_S = 0.2  # of the embedder, so that most of the time a job is held
_PAUSE_S = 0.1  # between two documents
_PASSAGES = {"max_chunk_tokens": 48, "chunk_overlap_tokens": 0}


class _Method:
    """A method of a deployment handle."""

    def __init__(self, function: Callable[..., Awaitable[Any]]) -> None:
        self._function = function

    async def remote(self, *arguments: Any) -> Any:
        """Calls it."""
        await asyncio.sleep(_WORK_S)
        return await self._function(*arguments)


class _Embedder:
    """What the Ingester needs of the embedder's handle."""

    def __init__(self) -> None:
        embedder = _class_of(Embedder)()
        self.embed = _Method(embedder.embed)
        self.tokenizer_json = _Method(embedder.tokenizer_json)
        self.fingerprint = _Method(embedder.fingerprint)


def _class_of(deployment: Any) -> Any:
    return deployment.func_or_class


async def main(url: str, store_id: str, name: str) -> None:
    """Writes and ingests."""
    ingester = _class_of(Ingester)(url, _Embedder())
    await ingester.reconfigure(_PASSAGES)
    corpus = CallerCorpus(partial(ingester.catalog, DEFAULT_CALLER))
    ended = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    number = 0
    while not ended.done():
        await _write(corpus, store_id, f"{name}x{number}")
        number += 1
        await asyncio.sleep(_PAUSE_S)
    while (await corpus.get_store(store_id)).file_counts.in_progress:  # noqa: ASYNC110 - the database sends no events
        await asyncio.sleep(_PAUSE_S)
    sys.exit(0)


async def _write(corpus: CallerCorpus, store_id: str, document: str) -> None:
    print("attempted", document, flush=True)
    data = markdown_of(document).encode()
    with suppress(CorpusUnavailableError):  # then it is not known whether the document is there
        file = await corpus.create_file(filename=f"{document}.md", purpose="assistants", data=data)
        await corpus.attach_file(store_id, file.id)
        print("acknowledged", document, flush=True)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(process)d %(message)s")
    asyncio.run(main(*sys.argv[1:]))
