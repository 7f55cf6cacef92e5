"""Lines of batches that are asked again, and the batch that benchmarks run."""

import dataclasses
import json

from benchmarks.running_batch import running_batch
from graphs.api.batches.asking import ask
from graphs.api.batches.batch_input import Line
from graphs.caller import DEFAULT_CALLER
from tests.graphs.api.batches.conftest import line

ASK = {"model": "rag", "messages": [{"role": "user", "content": "Where do requests wait?"}]}


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


async def test_links_of_a_batch_lead_to_where_it_was_asked_for(
    api_app, api_openai, begin, ended, read
):
    name = str(api_openai.base_url).removesuffix("/v1/")
    for public in (None, "https://docs.example.org/rag"):
        http = api_app.state.services.config.http.model_copy(update={"public_url": public})
        config = api_app.state.services.config.model_copy(update={"http": http})
        api_app.state.services = dataclasses.replace(api_app.state.services, config=config)
        found = await read((await ended(await begin(line("a", ASK)))).output_file_id)
        (one,) = found["a"]["response"]["body"]["choices"][0]["message"]["annotations"]
        assert one["url_citation"]["url"].startswith(f"{public or name}/v1/files/")
