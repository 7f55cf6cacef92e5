"""The sender of replies knows no shape: named events, as another API has them, need no change."""

import json
import re

import httpx
import pytest
from pydantic import BaseModel

from graphs.api.border.last_resort import LastResort
from graphs.api.border.sse import Frame
from graphs.api.chat.reply import Delivery, EventReply
from graphs.api.chat.resume import EventIds, resumption_of
from graphs.caller import DEFAULT_CALLER
from graphs.pipeline.events import Citation, Finished, Retrieved, TextDelta

KEY = {"idempotency-key": "k"}
CREATED = 1_700_000_000
TEXT = "Requests wait in a bounded queue. [1]"


class Told(BaseModel):
    """One event of a made-up API whose events have names and numbers, and whose last has it all."""

    sequence_number: int
    delta: str | None = None
    output: str | None = None
    message: str | None = None


class NamedEvents:
    """Counts its events and collects the text."""

    def __init__(self):
        self.number = 0
        self.text = ""

    def frame(self, name, **fields):
        told = Told(sequence_number=self.number, **fields)
        self.number += 1
        return Frame(event=name, data=told)

    def opening(self, retrieved):
        return [self.frame("response.created"), self.frame("response.in_progress")]

    def event(self, event):
        match event:
            case TextDelta():
                self.text += event.text
                return [self.frame("response.output_text.delta", delta=event.text)]
            case Citation():
                return [self.frame("response.output_text.annotation.added")]
            case Finished():
                return [self.frame("response.completed", output=self.text)]
            case Retrieved():
                return []

    def closing(self):
        return []

    def error(self, error):
        return [self.frame("response.failed", message=error.error.message)]

    def whole(self, answer):
        return Told(sequence_number=0, output=answer.text)


@pytest.fixture
def ask(api_pipeline):
    """Sends the pipeline's events in the shape of NamedEvents."""

    async def asked(*, is_stream=True, headers=KEY):
        delivery = Delivery(
            request_id="r",
            created=CREATED,
            resumption=resumption_of(headers, b"", DEFAULT_CALLER),
            heartbeat_s=10.0,
            write_timeout_s=10.0,
            is_stream=is_stream,
        )
        reply = EventReply(api_pipeline.answer(None), NamedEvents(), delivery)
        transport = httpx.ASGITransport(app=LastResort(reply))
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return await client.get("/")

    return asked


def frames_of(reply):
    """Gives id, name and data of every frame."""
    pattern = r"(?:id: (\S+)\n)?event: (\S+)\ndata: (.*)"
    matches = [re.fullmatch(pattern, frame) for frame in reply.text.split("\n\n")[:-1]]
    return [(match[1], match[2], json.loads(match[3])) for match in matches]


async def test_another_shape_has_its_own_names_numbers_and_end(ask):
    frames = frames_of(await ask())
    assert [name for _, name, _ in frames] == [
        "response.created",
        "response.in_progress",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.annotation.added",
        "response.completed",
    ]
    assert [data["sequence_number"] for _, _, data in frames] == list(range(6))
    assert frames[-1][2]["output"] == TEXT


async def test_another_shape_is_resumed_at_every_event(ask):
    whole = frames_of(await ask())
    for index, (event_id, _, _) in enumerate(whole):
        assert frames_of(await ask(headers=KEY | {"last-event-id": event_id})) == whole[index + 1 :]


async def test_another_shape_is_sent_whole(ask):
    reply = await ask(is_stream=False)
    assert reply.json() == {"sequence_number": 0, "output": TEXT}
    assert reply.headers["server-timing"] == "retrieve;dur=4.2, generate;dur=90.0"


async def test_another_shape_tells_an_error_in_its_own_way(ask, api_pipeline):
    api_pipeline.script[2:] = [ValueError("/secret")]
    frames = frames_of(await ask())
    event_id, name, data = frames[-1]
    assert name == "response.failed"
    assert data["sequence_number"] == len(frames) - 1
    assert "x-request-id" in data["message"]
    assert event_id is None  # or a client that reconnects would miss the event of that number


async def test_the_log_of_a_failed_stream_names_the_request(ask, api_pipeline, caplog):
    api_pipeline.script[2:] = [ValueError("/secret")]
    await ask()
    assert "request r failed after its stream began" in caplog.text


async def test_a_stream_without_an_end_is_told_as_failed(ask, api_pipeline):
    api_pipeline.script.pop()
    assert frames_of(await ask())[-1][1] == "response.failed"


@pytest.mark.parametrize("is_stream", [False, True])
async def test_events_that_do_not_begin_with_the_passages_are_a_500(ask, api_pipeline, is_stream):
    api_pipeline.script.pop(0)
    assert (await ask(is_stream=is_stream)).status_code == 500


def test_the_ids_of_events_say_when_the_reply_was_made(api_pipeline):
    ids = EventIds(resumption_of(KEY, b"", DEFAULT_CALLER), CREATED, api_pipeline.script[0])
    assert ids.next().startswith(f"{CREATED}-")
