"""Bodies that are made to cost much: refused with a reason, quickly and without a 5xx."""

import asyncio
import time
import zlib
from itertools import pairwise

import pytest
from pydantic import ValidationError

from graphs.api.border.bodies.turns import BodyTurns
from graphs.api.border.validation import explain
from graphs.api.chat.chat_schema import ChatCompletionBody
from graphs.api.dialects.cohere_chat_schema import CohereChatBody
from graphs.api.responses.response_schema import ResponseBody

FORM = {"content-type": "multipart/form-data; boundary=x"}


def form(*parts):
    return b"".join(b"--x\r\n" + part + b"\r\n" for part in parts) + b"--x--\r\n"


def field(name, value=b"v", *, head=b""):
    return b'content-disposition: form-data; name="' + name + b'"' + head + b"\r\n\r\n" + value


FILE = field(b"file", b"text", head=b'; filename="a.txt"')
DEEP = b"[" * 30_000 + b"]" * 30_000


@pytest.mark.parametrize(
    "body",
    [
        form(FILE, *[field(b"purpose")] * 1100),
        form(*[FILE] * 1100),
        form(field(b"purpose", head=b"; a=" + b"b" * 50_000), FILE),
        form(b"\r\n".join([b"x-a: b"] * 5000) + b"\r\n\r\nv"),
        form(field(b"a" * 50_000)),
        b"--x\r\n" * 10_000,
        b"\r\n" * 30_000,
        form(FILE)[:-9],
    ],
    ids=["fields", "files", "long-head", "many-heads", "long-name", "openings", "blank", "cut"],
)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of starlette
async def test_forms(api_http, body):
    reply = await api_http.post("/v1/files", content=body, headers=FORM)
    assert reply.status_code == 400, reply.text
    assert reply.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("path", ["/v1/files", "/v1/uploads/upload_1/parts"])
@pytest.mark.parametrize(("part", "most"), [(field(b"more"), 64), (FILE, 8)])
async def test_forms_of_a_few_more_parts_than_any_route_names(api_http, path, part, most):
    reply = await api_http.post(path, content=form(*[part] * (most + 1)), headers=FORM)
    assert reply.status_code == 400
    assert str(most) in reply.json()["error"]["message"]


async def test_large_bodies_leave_half_of_the_time_to_others():
    turns, parsed = BodyTurns(), []

    def parse(body):
        began = time.perf_counter()
        time.sleep(0.005)
        parsed.append((len(body), began, time.perf_counter()))

    small = turns.read(b"[]", parse)
    await asyncio.gather(*(turns.read(b" " * 2**16, parse) for _ in range(4)), small)
    assert [size for size, *_ in parsed] == [2**16, 2, *[2**16] * 3]  # a small one waits for none
    large = [one for one in parsed if one[0] > 2]
    assert all(after[1] - before[2] >= before[2] - before[1] for before, after in pairwise(large))


async def test_a_large_body_that_is_refused_or_given_up_holds_up_nobody():
    turns, large = BodyTurns(), b"x" * 2**16
    with pytest.raises(ValueError, match="invalid literal"):
        await turns.read(large, int)
    given_up = asyncio.create_task(turns.read(large, len))
    await asyncio.sleep(0)
    given_up.cancel()
    assert await asyncio.wait_for(turns.read(large, len), 60) == 2**16


@pytest.mark.parametrize(
    "body",
    [
        DEEP,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b'{"model": "rag", "messages": ' + DEEP + b"}",
        b'{"model": "rag", "metadata": ' + DEEP + b"}",
        b'{"n": ' + b"9" * 60_000 + b"}",
        b'{"n": 1e999999}',
        b"{" + b",".join(b'"k%d": 1' % number for number in range(5000)) + b"}",
    ],
    ids=["lists", "objects", "within", "unread", "digits", "exponent", "keys"],
)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/mcp", "/v2/chat"])
async def test_json(api_http, path, body):
    headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
    reply = await api_http.post(path, content=body, headers=headers)
    assert 400 <= reply.status_code < 500, reply.text


def json_fields(api_app):
    """Path and name of every field of every JSON body, as OpenAPI has them."""
    described = api_app.openapi()
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {})
            schema = content.get("application/json", {}).get("schema", {})
            if "$ref" in schema:
                schema = described["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
            for name in schema.get("properties", {}):
                yield method, path.replace("{", "").replace("}", ""), name


async def test_faults_without_number_are_not_all_written_down(api_app, api_http, monkeypatch):
    """300,000 of them took a Gateway three seconds in which it did nothing else."""
    num_faults = []

    def explained(error):
        num_faults.append(len(error.errors()))
        return explain(error)

    monkeypatch.setattr("graphs.api.border.validation.explain", explained)
    many = 500
    named = {f"n{number}": 1 for number in range(many)}
    fields = list(json_fields(api_app))
    assert len(fields) > 200
    for method, path, name in fields:
        for value in ([1.5] * many, [{}] * many, ["", 1.5] * many, named):
            reply = await api_http.request(method, path, json={name: value})
            assert reply.status_code < 500, (path, name, reply.text[:500])
            assert reply.is_success or len(reply.content) < 10_000, (path, name)
            assert not num_faults or num_faults[-1] < 64, (path, name, num_faults[-1])
    parts = {"role": "user", "content": [{}] * many}
    await api_http.post("/v1/chat/completions", json={"messages": [parts] * 10})
    assert max(num_faults) < 64


@pytest.mark.parametrize(
    ("schema", "name"),
    [(ChatCompletionBody, "messages"), (CohereChatBody, "messages"), (ResponseBody, "input")],
)
def test_more_turns_than_any_context_holds(schema, name):
    turns = [{"role": "user", "content": "a"}] * 4097
    schema.model_validate({"model": "rag", name: turns[1:]})
    with pytest.raises(ValidationError, match="at most 4096 items"):
        schema.model_validate({"model": "rag", name: turns})


async def test_what_unfolds_without_end(api_http):
    body = zlib.compress(b" " * 100_000_000)
    headers = {"content-type": "application/json", "content-encoding": "deflate"}
    reply = await api_http.post("/v1/embeddings", content=body, headers=headers)
    assert reply.status_code == 413


@pytest.mark.parametrize(
    "name", ["a\r\nset-cookie: b=c.txt", "a\nb.txt", "a\x00b.txt", "\u0085.txt"]
)
async def test_names_that_would_split_a_reply(api_http, name):
    part = f'--x\r\ncontent-disposition: form-data; name="file"; filename="{name}"\r\n\r\ntext\r\n'
    purpose = field(b"purpose", b"assistants")
    body = part.encode() + form(purpose)
    reply = await api_http.post("/v1/files", content=body, headers=FORM)
    assert reply.status_code in (200, 400), reply.text
    if reply.status_code == 200:
        content = await api_http.get(f"/v1/files/{reply.json()['id']}/content")
        assert "set-cookie" not in content.headers
        assert "\n" not in content.headers["content-disposition"]
