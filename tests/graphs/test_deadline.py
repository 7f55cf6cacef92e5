"""`x-request-deadline-ms` from the header to what is left out."""

import asyncio

import pytest

from graphs.deadline import allowed_s, deadline_in, time_left_s
from graphs.errors import DeadlineError

BODY = {"model": "rag", "messages": [{"role": "user", "content": "Where?"}]}


async def test_tasks_of_a_request_see_its_deadline_and_others_do_not():
    async def left():
        return time_left_s()

    with deadline_in(5.0):
        inside = asyncio.create_task(left())
    assert 0 < await inside <= 5
    assert time_left_s() == float("inf")


def test_a_timeout_is_cut_to_the_time_left():
    assert allowed_s(3.0) == 3.0
    with deadline_in(1.0):
        assert allowed_s(3.0) <= 1.0
    with deadline_in(0.0), pytest.raises(DeadlineError):
        allowed_s(3.0)


@pytest.mark.parametrize("sent", ["0", "-5", "1.5", "soon", "", "²"])
async def test_a_deadline_that_is_no_number_is_refused(api_http, sent):
    headers = {"x-request-deadline-ms": sent.encode()}
    reply = await api_http.post("/v1/chat/completions", json=BODY, headers=headers)
    assert reply.status_code == 400
    assert reply.json()["error"]["param"] == "x-request-deadline-ms"


async def test_the_pipeline_sees_the_deadline(api_http, api_pipeline):
    seen = []
    answer = api_pipeline.answer

    async def watch(request):
        seen.append(time_left_s())
        async for event in answer(request):
            yield event

    api_pipeline.answer = watch
    for headers in ({"x-request-deadline-ms": "1500"}, {"x-request-deadline-ms": "9" * 11}, {}):
        reply = await api_http.post("/v1/chat/completions", json=BODY, headers=headers)
        assert reply.status_code == 200
    assert 0 < seen[0] <= 1.5
    assert 3500 < seen[1] <= 3600  # cut to the longest
    assert seen[2] == float("inf")


async def test_a_passed_deadline_is_a_504_that_no_client_repeats(api_http, api_pipeline):
    api_pipeline.script = [DeadlineError("the deadline of the request has passed")]
    reply = await api_http.post("/v1/chat/completions", json=BODY)
    assert reply.status_code == 504
    assert reply.json()["error"]["code"] == "deadline_exceeded"
    assert reply.headers["x-should-retry"] == "false"
