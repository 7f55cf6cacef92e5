"""`/v1/conversations` with the real openai client, and answers that go into them."""

import openai
import pytest

TEXT = "Requests wait in a bounded queue. [1]"
HELLO = {"type": "message", "role": "user", "content": "Hello."}


async def texts_of(client, conversation_id, **options):
    page = await client.conversations.items.list(conversation_id, order="asc", **options)
    return [item.content[0].text if item.type == "message" else item.type async for item in page]


async def test_a_conversation_is_made_read_changed_and_deleted(client):
    made = await client.conversations.create(metadata={"topic": "queues"}, items=[HELLO])
    assert await client.conversations.retrieve(made.id) == made
    assert made.metadata == {"topic": "queues"}
    changed = await client.conversations.update(made.id, metadata={"topic": "limits"})
    assert changed.metadata == {"topic": "limits"}
    gone = await client.conversations.delete(made.id)
    assert (gone.id, gone.deleted) == (made.id, True)
    with pytest.raises(openai.NotFoundError, match="no conversation"):
        await client.conversations.retrieve(made.id)


async def test_items_are_added_listed_read_and_deleted(client):
    made = await client.conversations.create()
    added = await client.conversations.items.create(
        made.id, items=[HELLO, {"role": "assistant", "content": "Hi."}]
    )
    assert [item.role for item in added.data] == ["user", "assistant"]
    assert await texts_of(client, made.id, limit=1) == ["Hello.", "Hi."]  # two pages
    first = added.data[0].id
    item = await client.conversations.items.retrieve(first, conversation_id=made.id)
    assert item.content[0].text == "Hello."
    assert (await client.conversations.items.delete(first, conversation_id=made.id)).id == made.id
    assert await texts_of(client, made.id) == ["Hi."]
    with pytest.raises(openai.NotFoundError):
        await client.conversations.items.retrieve(first, conversation_id=made.id)


@pytest.mark.parametrize("options", [{}, {"stream": True}, {"background": True}])
async def test_an_answer_reads_its_conversation_and_goes_into_it(
    ask, client, api_pipeline, options
):
    made = await client.conversations.create(items=[HELLO])
    answered = await ask(conversation=made.id, **options)
    if options.get("stream"):
        answered = [event async for event in answered][-1].response
    while answered.status in {"queued", "in_progress"}:
        answered = await client.responses.retrieve(answered.id)
    assert answered.conversation.id == made.id
    assert [turn.text for turn in api_pipeline.requests[-1].messages] == [
        "Hello.", "Where do requests wait?",
    ]  # fmt: skip
    kept = ["Hello.", "Where do requests wait?", "file_search_call", TEXT]
    assert await texts_of(client, made.id) == kept
    await ask(input="And then?", conversation={"id": made.id})
    assert [turn.text for turn in api_pipeline.requests[-1].messages][-2:] == [TEXT, "And then?"]


async def test_a_failed_answer_leaves_its_conversation_as_it_was(ask, client, api_pipeline):
    made = await client.conversations.create(items=[HELLO])
    api_pipeline.script[2:] = [ValueError("broken")]
    assert [event async for event in await ask(conversation=made.id, stream=True)]
    assert await texts_of(client, made.id) == ["Hello."]


async def test_what_a_conversation_cannot_take_is_refused(ask, client):
    made = await client.conversations.create(items=[HELLO | {"id": "msg_1"}])
    with pytest.raises(openai.NotFoundError):
        await client.conversations.retrieve("conv_none")
    for options, param in (
        ({"conversation": "conv_none"}, "conversation"),
        ({"conversation": made.id, "previous_response_id": "resp_1"}, "conversation"),
        ({"conversation": made.id, "store": False}, "conversation"),
        ({"conversation": made.id, "input": [HELLO | {"id": "msg_1"}]}, "input[0].id"),
    ):
        with pytest.raises(openai.BadRequestError) as error:
            await ask(**options)
        assert error.value.param == param
    for items in ([], [HELLO] * 21, [{"type": "function_call", "name": "f"}]):
        with pytest.raises(openai.BadRequestError) as error:
            await client.conversations.items.create(made.id, items=items)
        assert error.value.param.startswith("items")
