"""A client that writes documents while the system is attacked, and looks for them afterwards."""

import asyncio
import json
import random
import re
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import httpx

from chaos.arena import until
from chaos.errors import ChaosError
from chaos.ledger import NUM_PARTS, Ledger, markdown_of

_TIMEOUT_S = 60.0
_AGAIN_S = 0.2
_SETTLED_S = 600.0  # leases of dead ingesters run out first
_DELETED_SHARE = 0.15
_NUM_WRITERS = 4
_ANSWERED_S = 300.0  # a request that may be repeated is, until then


class WritingClient:
    """Uploads, attaches and deletes documents in a store of its own; a context manager.

    What may be repeated is repeated until it is acknowledged. An upload may not: without its answer
    nobody knows whether it is there, and the document is given up.

    Attributes:
        ledger: what it was told.
        uploads: file id -> document, of the uploads that were acknowledged and not deleted since.
        num_broken: uploads without an answer, or with one that acknowledges nothing.
    """

    def __init__(self, url: str, *, seed: int) -> None:
        self.ledger = Ledger()
        self.uploads: dict[str, str] = {}
        self.num_broken = 0
        self._chance = random.Random(seed)
        self._prefix = f"doc{time.time_ns():x}"  # no word of an earlier run
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        self._client = httpx.AsyncClient(
            base_url=f"{url}/v1", timeout=_TIMEOUT_S, limits=limits
        )  # a kept connection leads to the same Gateway, which may be dead
        self._store_id = ""
        self._attached: list[str] = []
        self._stopped = asyncio.Event()

    async def __aenter__(self) -> Self:
        """Makes the store."""
        made = await self._until_answered("POST", "/vector_stores", json={"name": self._prefix})
        self._store_id = made["id"]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Closes the connections."""
        await self._client.aclose()

    async def write(self, rate: float) -> None:
        """Writes until `stop`.

        Args:
            rate: documents a second, as far as they are acknowledged so fast.
        """
        async with asyncio.TaskGroup() as group:
            for number in range(_NUM_WRITERS):
                group.create_task(self._write(f"{self._prefix}w{number}", rate / _NUM_WRITERS))

    def stop(self) -> None:
        """Lets the documents that are being written be the last."""
        self._stopped.set()

    async def _write(self, prefix: str, rate: float) -> None:
        number = 0
        while not self._stopped.is_set():
            await self._add(f"{prefix}x{number}")
            number += 1
            if self._attached and self._chance.random() < _DELETED_SHARE:
                await self._delete(self._attached.pop(self._chance.randrange(len(self._attached))))
            with suppress(TimeoutError):
                pause_s = self._chance.expovariate(rate)
                await asyncio.wait_for(self._stopped.wait(), timeout=pause_s)

    async def _add(self, document: str) -> None:
        self.ledger.attempted.add(document)
        content = {"file": (f"{document}.md", markdown_of(document).encode(), "text/markdown")}
        try:
            reply = await self._client.post("/files", data={"purpose": "assistants"}, files=content)
            reply.raise_for_status()
        except httpx.HTTPError:
            self.num_broken += 1
            return
        file_id = reply.json()["id"]
        self.uploads[file_id] = document
        route = f"/vector_stores/{self._store_id}/files"
        await self._until_answered("POST", route, json={"file_id": file_id})
        self.ledger.acknowledged.add(document)
        self._attached.append(file_id)

    async def _delete(self, file_id: str) -> None:
        document = self.uploads.pop(file_id)
        self.ledger.deleting.add(document)
        await self._until_answered("DELETE", f"/files/{file_id}", or_gone=True)
        self.ledger.deleted.add(document)

    async def settle(self) -> None:
        """Waits until every document is indexed, or has failed.

        Raises:
            ChaosError: not in time.
        """

        async def is_settled() -> bool:
            store = await self._until_answered("GET", f"/vector_stores/{self._store_id}")
            return bool(store["file_counts"]["in_progress"] == 0)

        await until(is_settled, "all documents to be indexed", _SETTLED_S)

    async def found(self, on_search: Callable[[int, int], object]) -> list[str]:
        """Searches for every document that was ever begun, and gives the passages that are there.

        A passage is given as often as one search has it. What belongs to no document that was
        begun is given too.
        """
        texts: list[str] = []
        strangers: set[str] = set()
        documents = sorted(self.ledger.attempted)
        for number, document in enumerate(documents, start=1):
            body = {
                "query": document,
                "max_num_results": 3 * NUM_PARTS,
                "ranking_options": {"ranker": "none"},
            }
            page = await self._until_answered(
                "POST", f"/vector_stores/{self._store_id}/search", json=body
            )
            for hit in page["data"]:
                text = hit["content"][0]["text"].rpartition("\n")[2]  # below its heading
                owner = re.search(rf"\b{self._prefix}w\w+", text)
                if owner is None or owner[0] not in self.ledger.attempted:
                    strangers.add(text)
                elif owner[0] == document:
                    texts.append(text)
            on_search(number, len(documents))
        return texts + sorted(strangers)

    async def lost_uploads(self) -> list[str]:
        """Names the documents whose acknowledged upload is gone, or is listed twice."""
        page = await self._until_answered("GET", "/files")
        listed = [one["filename"] for one in page["data"]]
        twice = {name for name in listed if listed.count(name) > 1 and self._prefix in name}
        known = {one["id"] for one in page["data"]}
        gone = {document for file_id, document in self.uploads.items() if file_id not in known}
        return sorted(gone | twice)

    async def failed_files(self) -> list[str]:
        """Gives the reasons of the documents that could not be indexed."""
        route = f"/vector_stores/{self._store_id}/files"
        page = await self._until_answered("GET", f"{route}?filter=failed&limit=100")
        return [json.dumps(one["last_error"]) for one in page["data"]]

    async def _until_answered(
        self, method: str, path: str, *, or_gone: bool = False, **options: Any
    ) -> Any:
        """Repeats a request that may be repeated, until it is answered.

        Raises:
            ChaosError: it is refused for a reason of its own, or for too long.
        """
        return await _repeat(
            lambda: self._client.request(method, path, **options), f"{method} {path}", or_gone
        )


async def _repeat(send: Callable[[], Awaitable[httpx.Response]], what: str, or_gone: bool) -> Any:
    deadline = time.monotonic() + _ANSWERED_S
    said = ""
    while time.monotonic() < deadline:
        try:
            reply = await send()
        except httpx.HTTPError as err:
            said = repr(err)
        else:
            if reply.is_success:
                return reply.json()
            if or_gone and reply.status_code == httpx.codes.NOT_FOUND:
                return None  # the first answer was lost
            said = f"status {reply.status_code}: {reply.text[:200]}"
            if reply.is_client_error and reply.status_code not in (408, 429):
                break
        await asyncio.sleep(_AGAIN_S)
    msg = f"{what} was not answered: {said}"
    raise ChaosError(msg)
