"""`Idempotency-Key` of `/v1/responses`: what is asked again is not answered and kept twice."""

import asyncio

import openai
import pytest

KEY = {"idempotency-key": "a key"}
OTHER = {"idempotency-key": "another"}


async def read(stream):
    return [event async for event in stream]


@pytest.mark.parametrize("background", [False, True])
async def test_the_same_response_is_given_again(ask, client, api_pipeline, background):
    first = await ask(extra_headers=KEY, background=background)
    while (await client.responses.retrieve(first.id)).status in {"queued", "in_progress"}:  # noqa: ASYNC110  # another task ends it
        await asyncio.sleep(0.02)
    again = await ask(extra_headers=KEY, background=background)
    assert (again.id, again.created_at) == (first.id, first.created_at)
    assert again == await client.responses.retrieve(first.id)
    assert len(api_pipeline.requests) == 1
    assert (await ask(extra_headers=OTHER)).id != first.id
    assert (await ask()).id not in {first.id, (await ask()).id}


async def test_the_same_stream_is_given_again(ask, api_pipeline):
    first = await read(await ask(stream=True, extra_headers=KEY))
    again = await read(await ask(stream=True, extra_headers=KEY))
    assert again == first
    assert len(api_pipeline.requests) == 1


async def test_a_key_of_another_body_is_refused(ask):
    await ask(extra_headers=KEY)
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        await ask(input="Who?", extra_headers=KEY)
    assert refused.value.code == "idempotency_key_reused"
    with pytest.raises(openai.BadRequestError, match="1 to 255 characters"):
        await ask(extra_headers={"idempotency-key": "k" * 256})


async def test_what_is_not_kept_is_answered_again_with_the_same_seed(ask, api_pipeline):
    for _ in range(2):
        await ask(store=False, extra_headers=KEY)
    await ask(store=False)
    first, second, other = (request.sampling.seed for request in api_pipeline.requests)
    assert first == second != other


async def test_a_deleted_response_is_made_anew(ask, client, api_pipeline):
    first = await ask(extra_headers=KEY)
    await client.responses.delete(first.id)
    again = await ask(extra_headers=KEY)
    assert again.id == first.id
    assert len(api_pipeline.requests) == 2


async def test_a_conversation_is_answered_once(ask, client):
    """The input is in it by then, which would be refused."""
    talk = await client.conversations.create()
    said = [{"id": "msg_1", "type": "message", "role": "user", "content": "Where?"}]
    first = await ask(input=said, conversation=talk.id, extra_headers=KEY)
    items = await client.conversations.items.list(talk.id)
    assert (await ask(input=said, conversation=talk.id, extra_headers=KEY)).id == first.id
    assert (await client.conversations.items.list(talk.id)).data == items.data


async def test_of_two_at_once_one_is_kept(ask):
    """Neither sees the other's before it ends."""
    replies = await asyncio.gather(
        *(ask(extra_headers=KEY) for _ in range(2)), return_exceptions=True
    )
    kept = [one.id for one in replies if not isinstance(one, Exception)]
    for one in replies:
        assert not isinstance(one, Exception) or one.code == "response_exists", one
    assert (await ask(extra_headers=KEY)).id == kept[0]
