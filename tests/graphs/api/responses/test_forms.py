"""Responses that are held to a form, and the probabilities of their tokens."""

import json

import openai
import pytest
from pydantic import BaseModel

from graphs.pipeline.events import TextDelta
from models.constraints import JSON_OBJECT
from models.generation import Likely, WrittenToken


async def test_an_answer_is_held_to_a_schema(ask, api_pipeline):
    schema = {"type": "object", "properties": {"port": {"type": "integer"}}}
    wanted = {"type": "json_schema", "name": "answer", "schema": schema, "strict": True}
    api_pipeline.script[1:-1] = [TextDelta(text='{"port": 80}')]
    response = await ask(text={"format": wanted})
    assert json.loads(response.output_text) == {"port": 80}
    assert response.output[1].content[0].annotations == []
    assert response.text.format.model_dump(by_alias=True, exclude_none=True) == wanted
    assert json.loads(api_pipeline.requests[0].constraint.schema) == schema
    await ask(text={"format": {"type": "json_object"}})
    assert api_pipeline.requests[1].constraint == JSON_OBJECT


async def test_the_openai_client_parses_an_answer(client, api_pipeline):
    class Port(BaseModel):
        port: int

    api_pipeline.script[1:-1] = [TextDelta(text='{"port": 80}')]
    response = await client.responses.parse(model="rag", input="Which port?", text_format=Port)
    assert response.output_parsed == Port(port=80)


@pytest.mark.parametrize("background", [False, True])
async def test_probabilities_are_told_and_kept(ask, client, api_pipeline, background):
    half = WrittenToken(raw=b"\xc3", logprob=-0.25, num_chars=0)
    rest = WrittenToken(
        raw=b"\xa9", logprob=-0.5, num_chars=1, top=(Likely(raw=b"\xa8", logprob=-0.1),)
    )
    api_pipeline.script[1:-1] = [TextDelta(text="é", tokens=(half, rest))]
    asked = {"include": ["message.output_text.logprobs"], "top_logprobs": 1}
    stream = await ask(**asked, stream=True, background=background)
    events = [event async for event in stream]
    (delta,) = [event for event in events if event.type == "response.output_text.delta"]
    assert [one.logprob for one in delta.logprobs] == [-0.25, -0.5]
    final = events[-1].response
    told = final.output[1].content[0].logprobs
    assert [bytes(one.bytes) for one in told] == [b"\xc3", b"\xa9"]
    assert bytes(told[1].top_logprobs[0].bytes) == b"\xa8"
    assert (await client.responses.retrieve(final.id)) == final
    assert api_pipeline.requests[0].sampling.top_logprobs == 1


async def test_a_server_that_quotes_refuses_forms_and_probabilities(ask, with_config):
    with_config(answers="quote")
    for fields, param in [
        ({"text": {"format": {"type": "json_object"}}}, "text.format"),
        ({"include": ["message.output_text.logprobs"]}, "include"),
    ]:
        with pytest.raises(openai.BadRequestError) as caught:
            await ask(**fields)
        assert caught.value.param == param
