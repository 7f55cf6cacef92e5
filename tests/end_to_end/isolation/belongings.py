"""What a tenant has at a served system, and every way to ask for it: before its end, and after."""

import asyncio
import json
import re
from dataclasses import dataclass, field

from tests.graphs.isolation.requests import MCP
from tests.graphs.isolation.world import QUESTION

SAID = {"role": "user", "content": QUESTION}
REQUEST_ID = "a-request-of-a-tenant-that-ends"
WORD = "wordofatenantthatends"
STREAM = {"model": "rag:docs", "stream": True, "messages": [SAID]}
ONCE = {"idempotency-key": "once"}


@dataclass(frozen=True)
class Ask:
    method: str
    path: str
    body: dict | None = None
    headers: dict = field(default_factory=dict)
    is_link: bool = False  # which opens without a key

    def leaks(self, text, marks):
        """What is told of these ids and texts, but for what the request names itself."""
        said = f"{self.path}{json.dumps(self.body)}"
        return [one for one in marks if one in text and one not in said]


@dataclass
class Belongings:
    """Files, stores and answers of one tenant.

    Attributes:
        marks: ids and texts that are told to nobody else.
        asks: requests that its administrator has answered, of which each tells of something.
    """

    marks: set
    asks: list


async def send(http, ask, token):
    """Sends a request with a key or a token; None: without."""
    known = {} if token is None or ask.is_link else {"authorization": f"Bearer {token}"}
    return await http.request(ask.method, ask.path, json=ask.body, headers={**known, **ask.headers})


async def leave(http, world, asker):
    """Lets one who sees all of a tenant leave answers of every kind; gives all that it has."""
    documents = [one for one in world.documents if one.tenant == asker.tenant]
    stores = [one for one in world.stores if one.tenant == asker.tenant]
    files, names = [one.id for one in documents], [one.id for one in stores]
    left = Belongings({REQUEST_ID, *files, *names, *(one.mark for one in documents)}, [])
    store = next(one for one in stores if one.name == "docs")
    left.asks += _of_corpus(store, store.documents[0])
    for make in (_chat, _stream, _response, _conversation, _batch):
        left.asks += await make(http, asker.token, left.marks)
    return left


def _of_corpus(store, document):
    place, file = f"/v1/vector_stores/{store.id}", f"/v1/files/{document.id}"
    query = {"query": QUESTION, "max_num_results": 20}
    chat = {"messages": [SAID], "rag": {"top_k": 8}}
    found = {"arguments": {"query": QUESTION, "store": "docs"}, "name": "search"}
    return [
        *(Ask("GET", one) for one in ("/v1/files", file, f"{file}/content", "/v1/vector_stores")),
        *(Ask("GET", one) for one in (place, f"{place}/files")),
        Ask("GET", f"{place}/files/{document.id}"),
        Ask("GET", f"{place}/files/{document.id}/content"),
        Ask("POST", f"{place}/search", query),
        Ask("POST", "/v1/chat/completions", {"model": "rag:docs"} | chat),
        Ask("POST", "/v1/chat/completions", {"model": f"rag:{store.id}"} | chat),
        Ask("POST", "/v2/chat", {"model": "rag:docs", "messages": [SAID]}),
        Ask("POST", "/v1/responses", {"model": "rag:docs", "input": QUESTION}),
        Ask("POST", "/mcp", _mcp("tools/call", found), MCP),
        Ask("POST", "/mcp", _mcp("resources/list", {}), MCP),
    ]


def _mcp(method, params):
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


async def _made(http, token, path, body, **headers):
    reply = await send(http, Ask("POST", path, body, headers), token)
    assert reply.status_code == 200, reply.text
    return reply


async def _chat(http, token, _marks):
    """An answer with links, which every Gateway remembers the making of: both are asked."""
    body = {"model": "rag:docs", "messages": [SAID]}
    for _ in range(12):
        told = await _made(
            http, token, "/v1/chat/completions", body, **{"x-request-id": REQUEST_ID}
        )
    urls = re.findall(r"/v1/files/[^\"#]*signature[^\"#]*", told.text)
    assert urls
    explained, shown = f"/admin/v1/requests/{REQUEST_ID}", "/admin/v1/system"
    return [Ask("GET", urls[0], is_link=True), Ask("GET", explained), Ask("GET", shown)]


async def _stream(http, token, _marks):
    told = await _made(http, token, "/v1/chat/completions", STREAM, **ONCE)
    first = re.search(r"^id: (.*)$", told.text, re.M)[1]
    path, headers = "/v1/chat/completions", ONCE | {"last-event-id": first}
    return [Ask("POST", path, STREAM, headers)]


async def _response(http, token, marks):
    asked = {"model": "rag:docs", "input": f"{QUESTION} {WORD}"}
    name = (await _made(http, token, "/v1/responses", asked)).json()["id"]
    marks |= {name, WORD}
    later = {"model": "rag:docs", "input": "And why?", "previous_response_id": name}
    items = Ask("GET", f"/v1/responses/{name}/input_items")
    return [Ask("GET", f"/v1/responses/{name}"), items, Ask("POST", "/v1/responses", later)]


async def _conversation(http, token, marks):
    name = (await _made(http, token, "/v1/conversations", {})).json()["id"]
    body = {"model": "rag:docs", "input": QUESTION, "conversation": name}
    await _made(http, token, "/v1/responses", body)
    marks.add(name)
    path = f"/v1/conversations/{name}"
    return [Ask("GET", path), Ask("GET", f"{path}/items"), Ask("POST", "/v1/responses", body)]


async def _batch(http, token, marks):
    url = "/v1/chat/completions"
    line = {"custom_id": "a", "method": "POST", "url": url, "body": STREAM | {"stream": False}}
    known = {"authorization": f"Bearer {token}"}
    file = {"file": ("in.jsonl", json.dumps(line).encode())}
    sent = await http.post("/v1/files", data={"purpose": "batch"}, files=file, headers=known)
    body = {"input_file_id": sent.json()["id"], "endpoint": url, "completion_window": "24h"}
    batch = (await _made(http, token, "/v1/batches", body)).json()
    for _ in range(240):
        batch = (await http.get(f"/v1/batches/{batch['id']}", headers=known)).json()
        if batch["output_file_id"]:
            break
        await asyncio.sleep(0.25)
    marks |= {batch["id"], batch["output_file_id"], sent.json()["id"]}
    output = f"/v1/files/{batch['output_file_id']}/content"
    paths = (f"/v1/batches/{batch['id']}", "/v1/batches", output)
    return [Ask("GET", path) for path in paths]
