"""Batches by the openai client: every endpoint, faults, ends, and the room they leave to others."""

import asyncio
import dataclasses
import itertools
import json

import openai
import pytest

from graphs.api.batches import batch_run
from graphs.errors import OverloadedError, StageUnavailableError
from tests.graphs.api.batches.conftest import line

ASK = {"model": "rag", "messages": [{"role": "user", "content": "Where do requests wait?"}]}
LONG = 30  # a piece that comes to no end in a test


@pytest.mark.parametrize(
    ("endpoint", "body", "kind"),
    [
        ("/v1/chat/completions", ASK, "chat.completion"),
        ("/v1/completions", {"model": "local/generator", "prompt": "Hi"}, "text_completion"),
        ("/v1/embeddings", {"model": "bundled:embedder", "input": ["a", "b"]}, "list"),
        ("/v1/responses", {"model": "rag", "input": "Where do requests wait?"}, "response"),
        ("/v1/moderations", {"input": "fine"}, None),
    ],
)
async def test_each_endpoint_answers_lines_as_its_route_does(
    begin, ended, read, endpoint, body, kind
):
    wrong = {**body, "model": "nothing"}
    batch = await begin(
        line("good", body, endpoint), line("bad", wrong, endpoint), endpoint=endpoint,
        metadata={"run": "7"},
    )  # fmt: skip
    assert (batch.status, batch.metadata) == ("validating", {"run": "7"})
    batch = await ended(batch)
    assert batch.status == "completed"
    counts = batch.request_counts
    assert (counts.total, counts.completed, counts.failed) == (2, 1, 1)
    good = (await read(batch.output_file_id))["good"]
    assert good["response"]["status_code"] == 200
    assert good["error"] is None
    assert good["response"]["body"].get("object") == kind
    bad = (await read(batch.error_file_id))["bad"]["response"]
    assert (bad["status_code"], bad["body"]["error"]["param"]) == (404, "model")


async def test_an_answer_has_its_citations_and_the_batch_its_usage(begin, ended, read):
    batch = await ended(await begin(line("a", ASK), line("b", ASK)))
    for found in (await read(batch.output_file_id)).values():
        message = found["response"]["body"]["choices"][0]["message"]
        assert message["content"] == "Requests wait in a bounded queue. [1]"
        assert message["annotations"][0]["url_citation"]["start_index"] == 34
    assert batch.error_file_id is None
    assert (batch.usage.input_tokens, batch.usage.output_tokens) == (40, 18)
    assert (batch.model, batch.errors) == ("rag", None)
    assert batch.created_at <= batch.in_progress_at <= batch.finalizing_at == batch.completed_at
    assert batch.expires_at == batch.created_at + 86_400


async def test_a_batch_of_only_errors_has_no_output_file(begin, ended, read):
    batch = await ended(await begin(line("a", {}), line("b", {**ASK, "stream": True})))
    assert (batch.status, batch.output_file_id) == ("completed", None)
    assert batch.request_counts.failed == 2
    found = await read(batch.error_file_id)
    assert found["b"]["response"]["body"]["error"]["param"] == "stream"
    assert found["a"]["response"]["body"]["error"]["code"] == "missing_required_parameter"


GOOD = line("a", ASK)


@pytest.mark.parametrize(
    ("lines", "code", "number", "param"),
    [
        (["{", GOOD], "invalid_json_line", 1, None),
        ([GOOD, "[1]"], "invalid_json_line", 2, None),
        ([GOOD, "", GOOD], "duplicate_custom_id", 3, "custom_id"),
        ([line("a", ASK, "/v1/embeddings")], "url_mismatch", 1, "url"),
        ([GOOD.replace("POST", "GET")], "invalid_method", 1, "method"),
        ([json.dumps({"custom_id": "a", "method": "POST", "url": "/v1/chat/completions"})],
         "missing_required_parameter", 1, "body"),
        ([line(7, ASK)], "invalid_type", 1, "custom_id"),
        ([line("", ASK)], "invalid_custom_id", 1, "custom_id"),
        ([" ", "\r"], "empty_file", None, None),
        ([line(f"{n}", ASK) for n in range(21)], "too_many_tasks", None, None),
        (["[" * 100_000], "invalid_json_line", 1, None),
    ],
)  # fmt: skip
async def test_a_bad_file_fails_the_batch_and_says_where(begin, ended, lines, code, number, param):
    batch = await ended(await begin(*lines))
    assert batch.status == "failed"
    assert batch.failed_at
    fault = batch.errors.data[0]
    assert (fault.code, fault.line, fault.param) == (code, number, param)


async def test_a_mark_blank_lines_and_windows_ends_are_passed_over(begin, ended):
    batch = await ended(await begin("\ufeff" + GOOD + "\r", "", line("b", ASK), ""))
    assert (batch.status, batch.request_counts.completed) == ("completed", 2)


@pytest.mark.parametrize("model", ["a\x00b", "\ud800", 7, "x" * 2000])
async def test_a_hostile_line_spoils_no_other(begin, ended, read, model):
    deep = "[" * 900 + "]" * 900
    nested = line("deep", ASK).replace('"rag"', f'"rag", "user": {deep}')
    lines = (line("bad", {**ASK, "model": model}), nested, line("a\x00\ud800", ASK), GOOD)
    batch = await ended(await begin(*lines))
    assert (batch.status, batch.request_counts.total) == ("completed", 4)
    assert "bad" in await read(batch.error_file_id)
    assert {"a", "a\x00\ud800"} <= set(await read(batch.output_file_id))


async def test_what_cannot_be_a_batch_is_refused_at_once(api_openai, upload):
    asked = {"endpoint": "/v1/embeddings", "completion_window": "24h"}
    with pytest.raises(openai.BadRequestError, match="no file") as refused:
        await api_openai.batches.create(input_file_id="file-0", **asked)
    assert refused.value.param == "input_file_id"
    file_id = await upload(GOOD, purpose="assistants")
    with pytest.raises(openai.BadRequestError, match="purpose 'batch'"):
        await api_openai.batches.create(input_file_id=file_id, **asked)
    for name, value in (("endpoint", "/v1/images/generations"), ("completion_window", "1h")):
        with pytest.raises(openai.BadRequestError) as refused:
            await api_openai.batches.create(input_file_id=file_id, **{**asked, name: value})
        assert refused.value.param == name
    with pytest.raises(openai.NotFoundError):
        await api_openai.batches.retrieve("batch_0")


async def test_a_deleted_input_fails_the_batch(api_openai, begin, ended):
    batch = await begin(GOOD)
    await api_openai.files.delete(batch.input_file_id)
    batch = await ended(batch)
    assert batch.status in {"failed", "completed"}  # it may have been read already
    if batch.status == "failed":
        assert batch.errors.data[0].code == "file_not_found"


async def test_a_cancelled_batch_keeps_what_was_answered(
    api_openai, api_pipeline, begin, ended, read
):
    quick, numbers = list(api_pipeline.script), itertools.count()

    class Slowing:
        def __iter__(self):
            return iter(quick if next(numbers) < 3 else [LONG])

    api_pipeline.script = Slowing()
    batch = await begin(*[line(f"{n}", ASK) for n in range(8)])
    async with asyncio.timeout(20):
        while batch.request_counts.completed < 3:
            await asyncio.sleep(0.02)
            batch = await api_openai.batches.retrieve(batch.id)
    assert (await api_openai.batches.cancel(batch.id)).status == "cancelling"
    done = await ended(batch)
    assert done.status == "cancelled"
    assert done.cancelling_at <= done.cancelled_at
    output, errors = await read(done.output_file_id), await read(done.error_file_id)
    assert len(output) == done.request_counts.completed == 3
    assert {*output, *errors} == {f"{n}" for n in range(8)}
    assert not {*output} & {*errors}
    assert {one["error"]["code"] for one in errors.values()} == {"batch_cancelled"}
    assert done.request_counts.failed == 0
    assert (await api_openai.batches.cancel(batch.id)).status == "cancelled"


async def test_one_that_is_complete_is_not_cancelled(api_openai, begin, ended):
    batch = await ended(await begin(GOOD))
    with pytest.raises(openai.ConflictError, match="status 'completed'"):
        await api_openai.batches.cancel(batch.id)


async def test_what_is_not_answered_in_its_time_is_told(
    api_catalog, api_pipeline, begin, ended, read
):
    api_pipeline.script = [LONG]
    batch = await begin(GOOD, line("b", ASK))
    await asyncio.wait_for(api_pipeline.opened.wait(), 10)
    with api_catalog._write() as connection:
        connection.exec_driver_sql("UPDATE batches SET expires_at = created_at")
    batch = await ended(batch)
    assert (batch.status, batch.request_counts.failed) == ("expired", 0)
    errors = await read(batch.error_file_id)
    assert {one["error"]["code"] for one in errors.values()} == {"batch_expired"}
    assert batch.expired_at


async def test_batches_are_listed(api_openai, begin):
    batches = [await begin(GOOD) for _ in range(3)]
    listed = [batch.id async for batch in api_openai.batches.list(limit=2)]
    assert listed == [batch.id for batch in reversed(batches)]
    with pytest.raises(openai.BadRequestError, match="after"):
        await api_openai.batches.list(after="batch_0")


async def test_lines_wait_while_others_ask(api_openai, api_pipeline, begin, ended):
    quick = list(api_pipeline.script)
    api_pipeline.script = [LONG]
    asking = asyncio.create_task(api_openai.chat.completions.create(**ASK))
    await asyncio.wait_for(api_pipeline.opened.wait(), 10)
    api_pipeline.script = quick
    batch = await begin(GOOD)
    await asyncio.sleep(0.5)
    assert len(api_pipeline.requests) == 1
    asking.cancel()
    assert (await ended(batch)).status == "completed"


async def test_lines_that_run_make_room_for_those_who_wait(api_openai, api_pipeline, begin, ended):
    quick = list(api_pipeline.script)
    api_pipeline.script = [LONG]
    batch = await begin(GOOD)
    await asyncio.wait_for(api_pipeline.opened.wait(), 10)
    api_pipeline.script = [0.3, *quick]
    assert (await api_openai.chat.completions.create(**ASK)).choices
    assert len(api_pipeline.requests) == 2  # the line was given up, and not begun again meanwhile
    assert api_pipeline.num_open == 0
    assert (await ended(batch)).request_counts.completed == 1


async def test_a_line_that_has_waited_too_long_is_answered_beside_others(
    api_app, api_openai, api_services, api_pipeline, begin, ended
):
    settings = api_services.config.batches.model_copy(update={"longest_yield_s": 0.3})
    config = api_services.config.model_copy(update={"batches": settings})
    api_app.state.services = dataclasses.replace(api_services, config=config)
    quick = list(api_pipeline.script)
    api_pipeline.script = [LONG]
    asking = asyncio.create_task(api_openai.chat.completions.create(**ASK))
    await asyncio.wait_for(api_pipeline.opened.wait(), 10)
    api_pipeline.script = [0.2, *quick]
    assert (await ended(await begin(GOOD, line("b", ASK)))).request_counts.completed == 2
    assert not asking.done()
    asking.cancel()


async def test_lines_that_run_are_given_up_when_others_find_no_room_and_lose_nothing(
    api_openai, api_pipeline, begin, ended, read
):
    quick = list(api_pipeline.script)
    api_pipeline.script = [LONG]
    batch = await begin(GOOD, line("b", ASK))
    await asyncio.wait_for(api_pipeline.opened.wait(), 10)
    api_pipeline.closed.clear()
    api_pipeline.script = [OverloadedError("the queue is full")]
    with pytest.raises(openai.InternalServerError):
        await api_openai.chat.completions.create(**ASK)
    await asyncio.wait_for(api_pipeline.closed.wait(), 10)
    api_pipeline.script = quick
    assert set(await read((await ended(batch)).output_file_id)) == {"a", "b"}


async def test_a_line_for_which_there_is_no_room_is_asked_again(api_pipeline, begin, ended):
    quick = list(api_pipeline.script)
    api_pipeline.script = [OverloadedError("the queue is full")]
    batch = await begin(GOOD)
    await asyncio.wait_for(api_pipeline.closed.wait(), 10)
    api_pipeline.script = quick
    batch = await ended(batch)
    assert (batch.request_counts.completed, batch.request_counts.failed) == (1, 0)


async def test_a_line_that_no_model_answers_in_time_is_given_up_at_last(
    api_pipeline, begin, ended, read, monkeypatch
):
    monkeypatch.setattr(batch_run, "_GIVEN_UP_S", 0.5)
    api_pipeline.script = [StageUnavailableError("the embedder did not answer in time")]
    batch = await ended(await begin(GOOD))
    assert (batch.request_counts.completed, batch.request_counts.failed) == (0, 1)
    failed = (await read(batch.error_file_id))["a"]["response"]
    assert (failed["status_code"], failed["body"]["error"]["code"]) == (503, "unavailable")


async def test_a_line_whose_reply_breaks_off_ends_no_batch(begin, ended, read, monkeypatch):
    def broken(line, _reply):
        raise ValueError(line.custom_id)

    monkeypatch.setattr(batch_run, "result_of", broken)
    batch = await ended(await begin(GOOD))
    assert (batch.status, batch.request_counts.failed) == ("completed", 1)
    assert (await read(batch.error_file_id))["a"]["error"]["code"] == "server_error"


async def test_a_reply_with_any_line_end_is_one_line_to_every_client(
    api_openai, api_pipeline, begin, ended
):
    text = "a\u2028b\u2029c\x85d\ne"
    api_pipeline.script = [
        dataclasses.replace(one, text=text) if hasattr(one, "text") else one
        for one in (api_pipeline.script[0], api_pipeline.script[1], api_pipeline.script[-1])
    ]
    batch = await ended(await begin(GOOD))
    (found,) = (await api_openai.files.content(batch.output_file_id)).text.splitlines()
    message = json.loads(found)["response"]["body"]["choices"][0]["message"]
    assert message["content"] == text
