"""The bytes of chat replies, compared with those of golden/, which clients are known to read."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from graphs.errors import StageUnavailableError
from graphs.pipeline.events import Finished, Generated, Retrieved, TextDelta, Usage

GOLDEN = Path(__file__).parent / "golden"
BODY = {"model": "rag", "messages": [{"role": "user", "content": "Where?"}]}
STREAM = BODY | {"stream": True}
WITH_USAGE = STREAM | {"stream_options": {"include_usage": True}}
DEBUG = {"rag": {"debug": True}}
KEY = {"Idempotency-Key": "order-66"}
BARE = "local/generator"


def blocked(script):
    usage = Usage(num_prompt_tokens=20, num_completion_tokens=2)
    refusal = "I can't say that."
    return [*script[:2], Finished(finish_reason="content_filter", usage=usage, refusal=refusal)]


def failing(script):
    return [*script[:2], StageUnavailableError("Generator is not available")]


def worn(script):
    rewrite = Generated(stage="condense", num_prompt_tokens=30, num_completion_tokens=8)
    told = {"degraded": ("rerank", "condense"), "num_migrations": 2, "generated": (rewrite,)}
    return [*script[:-1], replace(script[-1], **told)]


def declined(script):
    usage = Usage(num_prompt_tokens=0, num_completion_tokens=0)
    nothing = Retrieved(passages=(), search_query="Wo wartet \u201ees\u201c?", timings=())
    told = [TextDelta(text=""), TextDelta(text="I don't know.")]
    return [nothing, *told, Finished(finish_reason="stop", usage=usage)]


def bare(script):
    nothing = Retrieved(passages=(), search_query=None, timings=())
    return [nothing, script[1], replace(script[-1], finish_reason="length")]


# The name of a golden file: what is asked, and what the pipeline does.
CASES = {
    "whole": (BODY, None),
    "whole-refused": (BODY, blocked),
    "whole-failed": (BODY, failing),
    "whole-debug": (BODY | DEBUG, worn),
    "whole-declined": (BODY, declined),
    "whole-bare": (BODY | {"model": BARE}, bare),
    "stream": (STREAM, None),
    "stream-usage": (WITH_USAGE, None),
    "stream-refused": (WITH_USAGE, blocked),
    "stream-failed": (STREAM, failing),
    "stream-debug": (STREAM | DEBUG, worn),
    "stream-declined": (STREAM, declined),
    "stream-bare": (STREAM | {"model": BARE}, bare),
}


async def told(api_http, body, headers=None):
    """Gives status, headers and body; what differs from one request to the next is masked."""
    reply = await api_http.post("/v1/chat/completions", json=body, headers=headers)
    shown = [f"{name}: {value}" for name, value in sorted(reply.headers.items())]
    text = "\n".join([str(reply.status_code), *shown, "", reply.text])
    text = re.sub(r"(?m)^(x-request-id|openai-processing-ms|content-length): .*", r"\1: *", text)
    text = re.sub(r'"created":\d+', '"created":*', text)
    text = re.sub(r"(?m)^id: \S+-(\d+)$", r"id: *-\1", text)
    return re.sub(r"chatcmpl-[0-9a-f]{32}", "chatcmpl-*", text)


@pytest.mark.parametrize("name", CASES)
async def test_a_reply_has_the_bytes_that_it_always_had(api_http, api_pipeline, name):
    body, change = CASES[name]
    if change is not None:
        api_pipeline.script = change(api_pipeline.script)
    assert await told(api_http, body) == (GOLDEN / f"{name}.txt").read_text()


@pytest.mark.parametrize(("name", "number"), [("stream-resumed", 2), ("stream-resumed-at-end", 5)])
async def test_a_resumed_reply_has_the_bytes_that_it_always_had(api_http, name, number):
    whole = await api_http.post("/v1/chat/completions", json=WITH_USAGE, headers=KEY)
    event_id = re.findall(r"(?m)^id: (.*)$", whole.text)[number]
    resumed = await told(api_http, WITH_USAGE, KEY | {"Last-Event-ID": event_id})
    assert resumed == (GOLDEN / f"{name}.txt").read_text()
