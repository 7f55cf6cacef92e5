"""The form that a chat wants its answer in, from the fields of OpenAI and vLLM."""

import json
from dataclasses import replace

import pytest
from openai import BadRequestError

from graphs.config import GatewayConfig
from models.constraints import JSON_OBJECT, Grammar, JsonSchema, Regex, Sampling

SCHEMA = {"type": "object", "properties": {"port": {"type": "integer"}}, "required": ["port"]}
AS_SCHEMA = JsonSchema(schema=json.dumps(SCHEMA))
QUESTION = [{"role": "user", "content": "Where do requests wait?"}]
YES_NO = Grammar(rules='start: "yes" | "no"')


def named(schema):
    return {"type": "json_schema", "json_schema": {"name": "x", "schema": schema, "strict": True}}


@pytest.mark.parametrize("model", ["rag", "local/generator"])
@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({"response_format": {"type": "text"}}, None),
        ({"response_format": {"type": "json_object"}}, JSON_OBJECT),
        ({"response_format": named(SCHEMA)}, AS_SCHEMA),
        ({"structured_outputs": {"json": SCHEMA}}, AS_SCHEMA),
        ({"structured_outputs": {"json": json.dumps(SCHEMA)}}, AS_SCHEMA),
        ({"structured_outputs": {"json_object": True}}, JSON_OBJECT),
        ({"structured_outputs": {"regex": "a+"}}, Regex(pattern="a+")),
        ({"structured_outputs": {"choice": ["yes", "no"]}}, YES_NO),
        ({"structured_outputs": {"grammar": 'start: "yes" | "no"'}}, YES_NO),
        ({"guided_json": SCHEMA}, AS_SCHEMA),
        ({"guided_regex": "a+"}, Regex(pattern="a+")),
        ({"guided_choice": ["yes", "no"]}, YES_NO),
        ({"guided_grammar": 'start: "yes" | "no"'}, YES_NO),
    ],
)
async def test_every_field_becomes_the_constraint_of_the_answer(
    api_openai, api_pipeline, model, fields, constraint
):
    await api_openai.chat.completions.create(model=model, messages=QUESTION, extra_body=fields)
    assert api_pipeline.requests[-1].constraint == constraint


@pytest.mark.parametrize(
    ("fields", "param", "named"),
    [
        ({"response_format": {"type": "xml"}}, "response_format", "json_object"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema", "required"),
        (
            {"response_format": named(json.loads('{"a":' * 70 + "1" + "}" * 70))},
            "response_format",
            "64",
        ),
        ({"guided_regex": ""}, "guided_regex", "got 0"),
        ({"guided_json": "["}, "guided_json", "must be JSON"),
        ({"guided_choice": []}, "guided_choice", "at least 1"),
        (
            {"guided_regex": "a", "response_format": {"type": "json_object"}},
            "guided_regex",
            "one form, but response_format and guided_regex ask for 2",
        ),
    ],
)
async def test_what_cannot_be_a_form_is_refused_by_its_field(api_openai, fields, param, named):
    asked = {"model": "rag", "messages": QUESTION, "extra_body": fields}
    with pytest.raises(BadRequestError, match=named) as refused:
        await api_openai.chat.completions.create(**asked)
    assert refused.value.param == param


async def test_a_server_that_quotes_refuses_every_form_by_name(api_openai, api_app, api_services):
    api_app.state.services = replace(api_services, config=GatewayConfig(answers="quote"))
    with pytest.raises(BadRequestError, match=r"response_format needs .* free") as refused:
        await api_openai.chat.completions.create(
            model="rag", messages=QUESTION, response_format={"type": "json_object"}
        )
    assert refused.value.param == "response_format"


async def test_every_way_of_picking_tokens_reaches_the_generator(api_openai, api_pipeline):
    await api_openai.chat.completions.create(
        model="local/generator", messages=QUESTION, seed=-5, presence_penalty=0.5,
        frequency_penalty=-0.5, logit_bias={"7": 3, "9": -100},
        extra_body={
            "min_p": 0.1, "repetition_penalty": 1.2, "stop_token_ids": [4, 5], "ignore_eos": True,
            "min_tokens": 3, "priority": -2,
        },
    )  # fmt: skip
    assert api_pipeline.requests[-1].sampling == Sampling(
        seed=-5, presence_penalty=0.5, frequency_penalty=-0.5, logit_bias=((7, 3.0), (9, -100.0)),
        min_p=0.1, repetition_penalty=1.2, stop_token_ids=(4, 5), ignore_eos=True, min_tokens=3,
        priority=-2,
    )  # fmt: skip


async def test_a_server_that_quotes_refuses_what_it_could_not_honour(
    api_openai, api_app, api_services
):
    api_app.state.services = replace(api_services, config=GatewayConfig(answers="quote"))
    with pytest.raises(BadRequestError, match="presence_penalty needs") as refused:
        await api_openai.chat.completions.create(
            model="rag", messages=QUESTION, presence_penalty=1.0
        )
    assert refused.value.param == "presence_penalty"
    neutral = {
        "presence_penalty": 0, "logit_bias": {}, "logprobs": False, "top_logprobs": 0, "n": 1,
        "extra_body": {"min_p": 0, "stop_token_ids": [], "ignore_eos": False, "min_tokens": 0},
    }  # fmt: skip
    asked = api_openai.chat.completions.create(model="rag", messages=QUESTION, **neutral)
    assert (await asked).choices
