"""Responses that outlive their connection: in background, resumed, cancelled, taken over."""

import asyncio
import dataclasses

import httpx
import openai
import pytest

from graphs.errors import OverloadedError
from index.catalog.answers.records import Lease
from models.errors import InvalidInputError

TEXT = "Requests wait in a bounded queue. [1]"


async def ended(client, response_id):
    """Polls as clients do."""
    async with asyncio.timeout(30):
        while True:
            response = await client.responses.retrieve(response_id)
            if response.status not in {"queued", "in_progress"}:
                return response
            await asyncio.sleep(0.05)


async def until(holds):
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110  # what is waited for happens in the server
            await asyncio.sleep(0.05)


@pytest.fixture
def paused(api_pipeline):
    """The answer stops after its first piece until the event is set."""
    go_on = asyncio.Event()
    answer = api_pipeline.answer

    async def pausing(request):
        async for event in answer(request):
            yield event
            if getattr(event, "text", "") == "Requests wait in a ":
                await go_on.wait()

    api_pipeline.answer = pausing
    return go_on


async def test_a_background_response_is_polled(ask, client, api_pipeline, paused):
    response = await ask(background=True)
    assert (response.status, response.output, response.background) == ("queued", [], True)
    await api_pipeline.opened.wait()
    assert (await client.responses.retrieve(response.id)).status == "in_progress"
    paused.set()
    done = await ended(client, response.id)
    assert (done.status, done.output_text) == ("completed", TEXT)


async def test_no_more_run_at_once_than_the_settings_allow(ask, client, api_pipeline, paused):
    asked = [await ask(background=True) for _ in range(4)]
    await until(lambda: api_pipeline.num_open >= 2)
    await asyncio.sleep(0.3)
    assert api_pipeline.num_open == 2
    paused.set()
    assert {(await ended(client, one.id)).status for one in asked} == {"completed"}


async def test_a_response_waits_while_the_graph_is_full(ask, client, api_pipeline):
    script = api_pipeline.script
    api_pipeline.script = [OverloadedError("the queue of Generator is full")]
    response = await ask(background=True)
    await until(lambda: api_pipeline.requests)
    api_pipeline.script = script
    done = await ended(client, response.id)
    assert (done.status, done.output_text) == ("completed", TEXT)
    assert len(api_pipeline.requests) == 2


async def test_a_background_response_that_cannot_be_answered_fails(ask, client, api_pipeline):
    api_pipeline.script = [InvalidInputError("no such thing")]
    done = await ended(client, (await ask(background=True)).id)
    assert (done.status, done.error.code) == ("failed", "invalid_prompt")
    assert done.error.message == "no such thing"


@pytest.mark.parametrize("background", [True, False])
async def test_a_broken_stream_goes_on_after_the_last_event(ask, client, paused, background):
    got = []
    stream = await ask(stream=True, background=background)
    async for event in stream:
        got.append(event)
        if event.type == "response.output_text.delta":
            break
    await stream.close()
    name = got[0].response.id
    after = got[-1].sequence_number
    rest = await client.responses.retrieve(name, stream=True, starting_after=after)
    paused.set()
    got += [event async for event in rest]
    assert [event.sequence_number for event in got] == list(range(16))
    assert got[-1].type == "response.completed"
    assert got[-1].response.output_text == TEXT
    whole = [event async for event in await client.responses.retrieve(name, stream=True)]
    assert whole == got


async def test_the_stream_helper_takes_up_a_response(ask, client):
    name = (await ended(client, (await ask(background=True, stream=False)).id)).id
    async with client.responses.stream(response_id=name, starting_after=8) as stream:
        kinds = [event.type async for event in stream]
    assert kinds[0] == "response.output_text.delta"
    assert kinds[-1] == "response.completed"


@pytest.mark.parametrize(("stream", "place"), [(False, 1), (True, 0)])
async def test_who_leaves_before_anything_was_sent_ends_it(
    base_url, api_pipeline, api_catalog, stream, place
):
    api_pipeline.script.insert(place, 60)
    async with httpx.AsyncClient() as http:
        body = {"model": "rag", "input": "Where?", "stream": stream}
        with pytest.raises(httpx.ReadTimeout):
            await http.post(f"{base_url}/responses", json=body, timeout=0.5)
    async with asyncio.timeout(30):
        await api_pipeline.closed.wait()
    assert api_catalog.claim_response("nobody", 1) is None


@pytest.mark.parametrize("stream", [True, False])
async def test_a_response_is_cancelled(ask, client, api_pipeline, paused, stream):
    if stream:
        running = await ask(stream=True)
        name = (await anext(aiter(running))).response.id
    else:
        name = (await ask(background=True)).id
    async with asyncio.timeout(30):
        await api_pipeline.opened.wait()
    cancelled = await client.responses.cancel(name)
    assert cancelled.status == "cancelled"
    async with asyncio.timeout(30):
        await api_pipeline.closed.wait()
    assert (await client.responses.retrieve(name)).status == "cancelled"
    again = [event async for event in await client.responses.retrieve(name, stream=True)]
    assert (again[-1].type, again[-1].response.status) == ("response.failed", "cancelled")


async def test_what_has_ended_is_not_cancelled(ask, client):
    response = await ask()
    assert (await client.responses.cancel(response.id)).status == "completed"


async def test_a_response_that_runs_can_be_deleted(ask, client, api_pipeline, paused):
    name = (await ask(background=True)).id
    async with asyncio.timeout(30):
        await api_pipeline.opened.wait()
    await client.responses.delete(name)
    async with asyncio.timeout(30):
        await api_pipeline.closed.wait()
    with pytest.raises(openai.NotFoundError):
        await client.responses.retrieve(name)


@pytest.fixture
def lost(ask, client, api_app, api_catalog, paused):
    """Gives a streamed response whose Gateway has fallen silent after its first piece."""

    async def lose():
        stream = await ask(stream=True)
        async for event in stream:
            if event.type == "response.output_text.delta":
                break
        name = (await newest(api_app)).id
        await until(lambda: len(api_catalog.response_events("default", name, 0).events) == 2)
        runs = api_app.state.runs
        keeping = [task for task in asyncio.all_tasks() if "Run._keep" in repr(task)]
        assert keeping
        for task in (*keeping, *runs._working.values()):
            task.cancel()
        await stream.close()
        assert api_catalog.keep_response(  # as if its lease had run out
            await newest(api_app), first_number=2, events=(), lease_s=0
        )
        paused.set()
        return event

    return lose


async def test_a_stream_is_taken_over_when_its_gateway_falls_silent(
    lost, client, api_app, api_pipeline
):
    last = await lost()
    name = last.item_id
    api_app.state.runs.start()
    record = await newest(api_app)
    assert record.id.startswith("resp_")
    rest = await client.responses.retrieve(
        record.id, stream=True, starting_after=last.sequence_number
    )
    events = [event async for event in rest]
    assert [event.sequence_number for event in events] == list(range(10, 16))
    assert events[0].item_id == name
    assert events[-1].response.output_text == TEXT
    drawn = [request.sampling.seed_is_drawn for request in api_pipeline.requests]
    assert drawn == [True, False]  # what is begun needs its own seed


async def test_a_stream_whose_passages_changed_is_not_spliced(
    lost, client, api_app, api_pipeline, api_passage
):
    await lost()
    other = dataclasses.replace(api_passage, text="Something else.")
    first = api_pipeline.script[0]
    api_pipeline.script[0] = dataclasses.replace(first, passages=(other,))
    api_app.state.runs.start()
    done = await ended(client, (await newest(api_app)).id)
    assert done.status == "failed"
    assert "has changed" in done.error.message


async def newest(api_app):
    """The response that was asked last."""
    catalog = api_app.state.services.corpus._catalog
    with catalog._read() as connection:
        name = connection.exec_driver_sql("SELECT id FROM responses ORDER BY seq DESC").scalar()
    return catalog.get_response("default", name)


@pytest.mark.parametrize(("attempt", "request_"), [(5, "{}"), (0, '{"of": "another version"}')])
async def test_a_response_that_no_gateway_can_answer_is_given_up(
    ask, client, api_catalog, attempt, request_
):
    record = api_catalog.get_response("default", (await ask()).id)
    again = dataclasses.replace(
        record, id="resp_again", status="in_progress", request=request_, attempt=attempt
    )
    api_catalog.create_response(again, keep_s=60, lease=Lease(owner="dead", seconds=0))
    other = await ask(background=True)
    done = await ended(client, "resp_again")
    assert (done.status, done.error.code) == ("failed", "server_error")
    assert (await ended(client, other.id)).status == "completed"
