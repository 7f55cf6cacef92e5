"""Items of earlier outputs that a client sends back as their ids alone."""

import pytest
from openai import BadRequestError

from graphs.api.responses import references
from graphs.caller import DEFAULT_CALLER
from graphs.pipeline.events import Arguments, Called, Finished, Usage

QUESTION = {"role": "user", "content": "Where do requests wait?"}
NEXT = {"role": "user", "content": "And then?"}


@pytest.mark.parametrize("kind", [{"type": "item_reference"}, {"type": None}, {}])
async def test_an_item_of_an_earlier_output_is_meant_by_its_id(ask, api_pipeline, kind):
    search, said = (await ask(input=[QUESTION])).output
    given = [QUESTION, {**kind, "id": search.id}, {**kind, "id": said.id}, NEXT]
    answer = await ask(input=given)
    turns = api_pipeline.requests[-1].messages
    assert [turn.role for turn in turns] == ["user", "assistant", "user"]
    assert turns[1].text == said.content[0].text
    assert answer.output[-1].id != said.id


async def test_what_was_referred_to_is_kept_with_the_response(ask, client):
    said = (await ask(input=[QUESTION])).output[-1]
    answer = await ask(input=[QUESTION, {"type": "item_reference", "id": said.id}, NEXT])
    items = [one async for one in client.responses.input_items.list(answer.id, order="asc")]
    assert items[1].id == said.id
    assert items[1].content[0].text == said.content[0].text


@pytest.mark.parametrize("name", ["msg_none", "msg_" + "0" * 32, None])
async def test_a_reference_to_nothing_that_is_kept_is_refused_by_its_place(ask, client, name):
    gone = await ask(input=[QUESTION])
    await client.responses.delete(gone.id)
    reference = {"type": "item_reference", "id": name or gone.output[-1].id}
    with pytest.raises(BadRequestError, match="no kept response has put out an item") as caught:
        await ask(input=[QUESTION, reference, NEXT])
    assert (caught.value.param, caught.value.code) == ("input[1].id", "item_not_found")


async def test_the_second_call_of_a_response_is_found_too(ask, api_pipeline):
    usage = Usage(num_prompt_tokens=9, num_completion_tokens=12)
    api_pipeline.script[1:] = [
        Called(index=0, name="clock"), Arguments(index=0, text="{}"),
        Called(index=1, name="clock"), Arguments(index=1, text='{"zone": "UTC"}'),
        Finished(finish_reason="tool_calls", usage=usage),
    ]  # fmt: skip
    clock = {"type": "function", "name": "clock"}
    calls = [one for one in (await ask(tools=[clock])).output if one.type == "function_call"]
    outputs = [
        {"type": "function_call_output", "call_id": one.call_id, "output": "Noon."} for one in calls
    ]
    references = [{"type": "item_reference", "id": one.id} for one in calls]
    await ask(input=[QUESTION, *references, *outputs], tools=[clock])
    asked = api_pipeline.requests[-1].exchange[0].tool_calls
    assert [call.arguments for call in asked] == ["{}", '{"zone": "UTC"}']


async def test_a_short_body_cannot_stand_for_any_amount_of_text(ask):
    said = (await ask(input=[QUESTION])).output[-1]
    reference = {"type": "item_reference", "id": said.id}
    with pytest.raises(BadRequestError, match="referred to twice") as caught:
        await ask(input=[reference, reference, NEXT])
    assert (caught.value.param, caught.value.code) == ("input[1].id", "duplicate_item")


async def test_the_items_of_one_response_cost_one_read(ask, api_services, monkeypatch):
    search, said = (await ask(input=[QUESTION])).output
    read: list[str] = []
    corpus_type = type(api_services.corpus.of(DEFAULT_CALLER))
    once = corpus_type.get_response

    async def counted(self, tenant, response_id):
        read.append(response_id)
        return await once(self, tenant, response_id)

    monkeypatch.setattr(corpus_type, "get_response", counted)
    await ask(input=[QUESTION, {"id": search.id}, {"id": said.id}, NEXT])
    assert len(read) == 1


async def test_references_lead_to_so_many_responses_at_most(ask, monkeypatch):
    monkeypatch.setattr(references, "MAX_CHAIN", 1)
    first, second = [(await ask(input=[QUESTION])).output[-1].id for _ in range(2)]
    with pytest.raises(BadRequestError, match="items of at most 1 responses"):
        await ask(input=[{"id": first}, {"id": second}, NEXT])
