"""Lines of batches that are asked again, and the batch that benchmarks run."""

import json

from benchmarks.running_batch import running_batch
from graphs.api.batches.asking import ask
from graphs.api.batches.batch_input import Line
from graphs.caller import DEFAULT_CALLER
from tests.graphs.api.batches.conftest import line


async def test_a_line_that_is_asked_again_leaves_one_stored_response(api_app):
    """As after a kill between the answer and the keeping of the batch's result."""
    body = {"model": "rag", "input": "Where do requests wait?"}
    asked = Line(number=1, custom_id="a", text=line("a", body, "/v1/responses").encode())
    first, again, other = [
        await ask(api_app, asked, endpoint="/v1/responses", caller=DEFAULT_CALLER, key=key)
        for key in ("batch_1/1", "batch_1/1", "batch_1/2")
    ]
    assert first.status == 200
    assert again.body == first.body
    assert json.loads(other.body)["id"] != json.loads(first.body)["id"]


async def test_the_pipeline_knows_that_a_line_is_one(api_app, api_http, api_pipeline):
    for endpoint, asked in (
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "Why?"}]}),
        ("/v1/completions", {"prompt": "Why?"}),
        ("/v1/responses", {"input": "Why?"}),
    ):
        body = {"model": "local/generator", **asked}
        one = Line(number=1, custom_id="a", text=line("a", body, endpoint).encode())
        reply = await ask(api_app, one, endpoint=endpoint, caller=DEFAULT_CALLER, key=endpoint)
        assert reply.status == 200
        assert (await api_http.post(endpoint, json=body)).status_code == 200
        told = [request.in_batch for request in api_pipeline.requests]
        assert told == [True, False]
        api_pipeline.requests.clear()


async def test_the_benchmark_s_batch_runs_as_long_as_its_block(api_http, api_openai, ended):
    async with running_batch(api_http, 3) as counts:
        assert not counts
        (batch,) = (await api_openai.batches.list()).data
        await ended(batch)
    assert counts == {"completed": 3, "failed": 0}
    assert (await api_openai.files.list(purpose="batch")).data == []
