"""Random requests over all paths that tell of documents, and whether something left that must not.

In one process (graphs/api/test_isolation.py) and served (end_to_end/isolation/test_isolation.py).
"""

from collections import Counter
from contextlib import suppress

from graphs.api.mcp.resources import file_uri, store_uri
from tests.graphs.isolation.paths import OtherPaths
from tests.graphs.isolation.world import QUESTION, dice_of

REQUEST_IDS = ("mine", "yours")
MCP = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-06-18"}


class Requests(OtherPaths):
    """Random requests over all paths that tell of documents; each gives what it named itself."""

    def __init__(self, http, world, dice):
        self.http, self.world, self.dice = http, world, dice
        self.responses = []  # ids that somebody was given
        self.kept, self.batches = [], []

    async def send(self, asker):
        kinds = [one for one in dir(self) if one.startswith("ask_")]
        return await getattr(self, self.dice.choice(kinds))(asker)

    async def call(self, asker, method, path, named=(), **options):
        """Asks with the key or token of `asker`; None: without."""
        known = {} if asker is None else {"authorization": f"Bearer {asker.token}"}
        headers = known | options.pop("headers", {})
        reply = await self.http.request(method, path, headers=headers, **options)
        assert reply.status_code < 500, (method, path, reply.text)
        return f"{reply.headers}{reply.text}", named, reply

    async def checked(self, asker, method, path, named=(), seen_by=None, **options):
        """A request in between, whose reply is looked through at once.

        Args:
            seen_by: who may know what the reply tells; None: who asks.
        """
        text, named, reply = await self.call(asker, method, path, named, **options)
        check(self.world, seen_by or asker, text, named)
        return reply

    def store(self, asker):
        """Any store by its id, more often one of the tenant's own."""
        own = [one for one in self.world.stores if one.tenant == asker.tenant]
        return self.dice.choice(own if self.dice.random() < 0.7 else self.world.stores)

    def document(self, asker):
        own = [one for one in self.world.documents if one.tenant == asker.tenant]
        return self.dice.choice(own if self.dice.random() < 0.7 else self.world.documents)

    def chat(self, asker):
        name = self.dice.choice(["rag", "rag:docs", "rag:more", f"rag:{self.store(asker).id}"])
        body = {"model": name, "messages": [{"role": "user", "content": QUESTION}]}
        named = [name.removeprefix("rag:")]
        if name == "rag" and self.dice.random() < 0.5:
            named = [self.store(asker).id for _ in range(2)]
            body["rag"] = {"vector_store_ids": named}
        body.setdefault("rag", {})
        body["rag"] |= {
            "neighbours": 2,
            "top_k": 8,
            "mode": self.dice.choice(["hybrid", "lexical"]),
        }
        return body, named

    async def ask_chat(self, asker):
        body, named = self.chat(asker)
        headers = {"x-request-id": self.dice.choice(REQUEST_IDS)}
        path = "/v1/chat/completions"
        return await self.call(asker, "POST", path, named, json=body, headers=headers)

    async def ask_how_it_came(self, asker):
        """Of every id, since clients of all tenants use the same."""
        one = self.dice.choice([one for one in self.world.askers if one.is_admin])
        name = self.dice.choice(REQUEST_IDS)
        told = await self.call(one, "GET", f"/admin/v1/requests/{name}")
        check(self.world, one, told[0], ())
        return "", (), told[2]

    async def ask_stream_again(self, asker):
        body = {"model": "rag", "stream": True, "messages": [{"role": "user", "content": QUESTION}]}
        headers = {"idempotency-key": "shared"}
        text, _, reply = await self.call(
            asker, "POST", "/v1/chat/completions", json=body, headers=headers
        )
        ids = [line[4:] for line in reply.text.splitlines() if line.startswith("id: ")]
        if not ids:
            return text, (), reply
        others = [one for one in self.world.askers if one.tenant == asker.tenant]
        other = asker if self.dice.random() < 0.5 else self.dice.choice(others)
        again = await self.call(
            other, "POST", "/v1/chat/completions", json=body,
            headers=headers | {"last-event-id": self.dice.choice(ids)},
        )  # fmt: skip
        check(self.world, other, again[0], ())
        return text, (), reply

    async def ask_search(self, asker):
        store = self.store(asker)
        body = {"query": QUESTION, "max_num_results": 20, "rewrite_query": False}
        if self.dice.random() < 0.3:
            body["filters"] = {"type": "ne", "key": "a", "value": "b"}
        path = f"/v1/vector_stores/{store.id}/search"
        return await self.call(asker, "POST", path, [store.id], json=body)

    async def ask_response(self, asker):
        body = {"model": "rag", "input": QUESTION, "include": ["file_search_call.results"]}
        named = []
        if self.dice.random() < 0.5:
            named = [self.store(asker).id]
            body["tools"] = [{"type": "file_search", "vector_store_ids": named}]
        told = await self.call(asker, "POST", "/v1/responses", named, json=body)
        with suppress(KeyError):
            self.responses.append((asker, told[2].json()["id"]))
        return told

    async def ask_foreign_response(self, asker):
        others = [
            name for one, name in self.responses
            if one.tenant != asker.tenant or (one != asker and asker.principals is not None)
        ]  # fmt: skip
        if not others:
            return await self.ask_response(asker)
        name = self.dice.choice(others)
        body = {"model": "rag", "input": "And why?", "previous_response_id": name}
        told = await self.call(asker, "POST", "/v1/responses", [name], json=body)
        assert told[2].status_code in {400, 404}, told[0]
        reply = await self.call(asker, "GET", f"/v1/responses/{name}", [name])
        assert reply[2].status_code == 404
        return told

    async def ask_file(self, asker):
        one = self.document(asker)
        path = f"/v1/files/{one.id}{self.dice.choice(['', '/content'])}"
        return await self.call(asker, "GET", path, [one.id])

    async def ask_files(self, asker):
        after = self.dice.choice([None, self.document(asker).id])
        params = {"limit": self.dice.choice([1, 3, 100])} | ({"after": after} if after else {})
        return await self.call(asker, "GET", "/v1/files", [after], params=params)

    async def ask_stores(self, asker):
        after = self.dice.choice([None, self.store(asker).id])
        params = {"limit": 100} | ({"after": after} if after else {})
        return await self.call(asker, "GET", "/v1/vector_stores", [after], params=params)

    async def ask_store(self, asker):
        store, one = self.store(asker), self.document(asker)
        end = self.dice.choice(["", "/files", f"/files/{one.id}", f"/files/{one.id}/content"])
        return await self.call(
            asker, "GET", f"/v1/vector_stores/{store.id}{end}", [store.id, one.id]
        )

    async def ask_models(self, asker):
        return await self.call(asker, "GET", "/v1/models")

    async def ask_to_write(self, asker):
        """What is not seen cannot be changed, taken along or opened."""
        store, one = self.store(asker), self.document(asker)
        if asker.sees_store(store) and one.id not in self.world.hidden(asker):
            return await self.ask_store(asker)
        path, named = f"/v1/vector_stores/{store.id}", [store.id, one.id]
        calls = (
            ("POST", f"{path}/files", {"file_id": one.id}),
            ("POST", f"{path}/file_batches", {"file_ids": [one.id]}),
            ("POST", "/v1/vector_stores", {"name": "mine", "file_ids": [one.id]}),
            ("POST", f"/v1/files/{one.id}", {"access": None}),
            ("POST", path, {"access": None}),
            ("POST", f"{path}/files/{one.id}", {"attributes": {}}),
            ("DELETE", f"{path}/files/{one.id}", None),
        )
        hidden = self.world.hidden(asker)
        method, place, body = self.dice.choice(
            [call for call in calls if any(one in call[1] + str(call[2]) for one in hidden)]
        )
        told = await self.call(asker, method, place, named, json=body)
        assert told[2].status_code in {403, 404}, (method, place, told[0])
        return told

    async def ask_mcp(self, asker):
        store, one = self.store(asker), self.document(asker)
        choices = (
            ("tools/call", {"name": "search", "arguments": {"query": QUESTION, "top_k": 20}}),
            ("tools/call", {"name": "search", "arguments": {"query": QUESTION, "store": store.id}}),
            ("tools/call", {"name": "ask", "arguments": {"question": QUESTION, "store": "docs"}}),
            ("resources/list", {}),
            ("resources/read", {"uri": file_uri(store.id, one.id)}),
            ("resources/read", {"uri": store_uri(store.id)}),
        )
        method, params = self.dice.choice(choices)
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return await self.call(asker, "POST", "/mcp", [store.id, one.id], json=body, headers=MCP)


def check(world, asker, text, named):
    leaked = [one for one in world.hidden(asker, named=named) if one in text]
    if leaked:
        raise LeakError(leaked)


class LeakError(AssertionError):
    """Something left that must not."""


async def run(http, world, number, seed=3):
    """Sends so many requests; gives how often each status came, and which documents were told."""
    dice = dice_of(seed)
    requests, statuses, marks = Requests(http, world, dice), Counter(), set()
    for _ in range(number):
        asker = dice.choice(world.askers)
        text, named, reply = await requests.send(asker)
        check(world, asker, text, named)
        statuses[reply.status_code] += 1
        marks |= {one.mark for one in world.documents if one.mark in text}
    return statuses, marks


def check_tried(statuses, marks, world):
    """Otherwise nothing was tried: most requests are answered, and documents are told of."""
    number = statuses.total()
    assert statuses[200] > number / 3, statuses
    assert statuses[404] > number / 20, statuses
    assert len(marks) > len(world.documents) / 2
