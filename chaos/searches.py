"""A store of many passages, and a load of searches in it."""

import asyncio
import random
from collections.abc import Callable

import httpx

from chaos.arena import until
from chaos.load import ChatCall, Load, Outcome

_PASSAGES_A_FILE = 100
_UPLOADS_AT_ONCE = 4
_FILES_A_BATCH = 200
_INDEXED_S = 3600.0
_REPEATS = 6
_WORDS = ("port", "file", "node", "store", "answer", "question", "model", "cache", "queue")


def name_of(passage: int) -> str:
    """Gives the word that only this passage holds."""
    return f"passage{passage}x"


def file_of(first: int, count: int) -> str:
    """Gives a Markdown file of passages, each with a heading of its own.

    A passage says its word so often that even the simulated embedder, which knows no meanings, has
    it nearest to that word among 100,000.
    """
    chance = random.Random(first)
    return "\n\n".join(
        f"# Case {passage}\n\n"
        + " ".join([name_of(passage)] * _REPEATS + chance.choices(_WORDS, k=3))
        for passage in range(first, first + count)
    )


async def fill_store(url: str, num_passages: int, on_indexed: Callable[[int, int], object]) -> str:
    """Makes a store of so many passages through the service, and gives its id.

    Raises:
        ChaosError: it is not indexed in time.
    """
    async with httpx.AsyncClient(base_url=f"{url}/v1", timeout=120) as client:
        turns = asyncio.Semaphore(_UPLOADS_AT_ONCE)

        async def upload(first: int) -> str:
            content = file_of(first, min(_PASSAGES_A_FILE, num_passages - first))
            upload = {"file": (f"{first}.md", content.encode(), "text/markdown")}
            async with turns:
                reply = await client.post("/files", data={"purpose": "assistants"}, files=upload)
            return str(reply.raise_for_status().json()["id"])

        starts = range(0, num_passages, _PASSAGES_A_FILE)
        ids = await asyncio.gather(*map(upload, starts))
        made = await client.post("/vector_stores", json={"name": f"{num_passages} passages"})
        store_id = str(made.raise_for_status().json()["id"])
        for start in range(0, len(ids), _FILES_A_BATCH):
            body = {"file_ids": ids[start : start + _FILES_A_BATCH]}
            reply = await client.post(f"/vector_stores/{store_id}/file_batches", json=body)
            reply.raise_for_status()

        async def is_indexed() -> bool:
            reply = await client.get(f"/vector_stores/{store_id}")
            counts = reply.raise_for_status().json()["file_counts"]
            on_indexed(counts["completed"], len(ids))
            return bool(counts["completed"] == len(ids))

        await until(is_indexed, f"{num_passages} passages to be indexed", _INDEXED_S)
        return store_id


def search_calls(*, seed: int, count: int, rate: float, num_passages: int) -> list[ChatCall]:
    """Makes searches, each for one passage, leaving at Poisson times."""
    chance = random.Random(seed)
    calls, at_s = [], 0.0
    for index in range(count):
        body = {
            "query": name_of(chance.randrange(num_passages)),
            "max_num_results": 10,
            "ranking_options": {"ranker": "none"},
        }
        calls.append(ChatCall(key=f"search-{seed}-{index}", at_s=at_s, body=body))
        at_s += chance.expovariate(rate)
    return calls


class SearchLoad(Load):
    """Searches in one store; one that does not find its passage has failed."""

    def __init__(self, url: str, store_id: str) -> None:
        super().__init__(url)
        self._url = f"{url}/v1/vector_stores/{store_id}/search"

    async def _attempt(self, client: httpx.AsyncClient, call: ChatCall, outcome: Outcome) -> None:
        try:
            reply = await client.post(self._url, json=dict(call.body))
        except httpx.HTTPError as err:
            outcome.errors.append(f"connection: {err!r}")
            return
        outcome.status = reply.status_code
        if reply.status_code != httpx.codes.OK:
            outcome.errors.append(f"status {reply.status_code}: {reply.text[:300]}")
            return
        texts = [hit["content"][0]["text"] for hit in reply.json()["data"]]
        if not any(call.body["query"] in text.split() for text in texts):
            outcome.errors.append(f"{call.body['query']} is not among {len(texts)} hits")
            return
        outcome.is_done, outcome.finish_reason = True, "found"
