"""Moderations through the OpenAI client."""

import pytest
from openai import BadRequestError, NotFoundError

from models.safety import MODERATION_CATEGORIES


async def test_every_category_is_there_and_ours_beside(api_openai):
    reply = await api_openai.moderations.create(input="some violence")
    (result,) = reply.results
    assert result.flagged
    assert result.categories.violence
    assert not result.categories.self_harm_intent
    assert result.category_scores.violence == 0.97
    assert result.category_applied_input_types.violence == ["text"]
    assert result.categories.model_extra["prompt-injection"] is False
    assert result.category_scores.model_extra["pii"] == 0.01
    assert reply.model == "bundled:safety"


async def test_names_on_the_wire_are_those_of_openai(api_http):
    reply = await api_http.post("/v1/moderations", json={"input": "hello"})
    result = reply.json()["results"][0]
    wanted = {*MODERATION_CATEGORIES, "prompt-injection", "pii"}
    for field in ("categories", "category_scores", "category_applied_input_types"):
        assert set(result[field]) == wanted


async def test_one_result_a_string_and_one_for_all_parts(api_openai):
    strings = await api_openai.moderations.create(input=["hello", "pii here"])
    assert [result.flagged for result in strings.results] == [False, True]
    parts = [{"type": "text", "text": "hello"}, {"type": "text", "text": "violence"}]
    assert len((await api_openai.moderations.create(input=parts)).results) == 1


async def test_images_are_refused(api_openai):
    image = {"type": "image_url", "image_url": {"url": "data:,"}}
    with pytest.raises(BadRequestError) as caught:
        await api_openai.moderations.create(input=[image])
    assert caught.value.param == "input[0].type"


async def test_unknown_model_is_404(api_openai):
    with pytest.raises(NotFoundError):
        await api_openai.moderations.create(input="x", model="gpt-9")


@pytest.mark.parametrize(
    ("value", "param"), [([], "input"), (5, "input"), (["a", 5], "input[1]"), (["a"] * 9, "input")]
)
async def test_bad_input_is_refused_by_name(api_http, value, param):
    reply = await api_http.post("/v1/moderations", json={"input": value})
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, param)


@pytest.mark.parametrize("value", ["a" * 1001, ["a" * 600, "b" * 401]])
async def test_more_characters_than_are_judged_in_time_are_refused_with_the_limit(api_http, value):
    reply = await api_http.post("/v1/moderations", json={"input": value})
    error = reply.json()["error"]
    assert (reply.status_code, error["param"]) == (400, "input")
    assert error["message"] == "input must have at most 1000 characters, got 1001"
