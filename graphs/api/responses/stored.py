"""Responses between what clients send, what is kept, and what they get."""

import json
import time
import uuid
from collections.abc import Mapping
from typing import Any

from graphs.api.border.replies import to_json
from graphs.api.chat.resume import Resumption
from graphs.api.errors import BadRequestError
from graphs.api.responses.items import JsonItem, as_json, items_of, shown
from graphs.api.responses.question import Question
from graphs.api.responses.response_schema import ResponseBody, TextOptions
from graphs.api.responses.response_shape import RagResponse, ResponseShape
from graphs.caller import Caller
from graphs.corpus.protocols import Corpus
from index.catalog.answers.records import (
    MAX_CONVERSATION_ITEMS,
    UNFINISHED,
    Item,
    ResponseStatus,
    StoredResponse,
)
from index.errors import UnknownResponseError

# What an answer changes of a response; all else is its head.
_STATE = {
    "status", "output", "error", "incomplete_details", "completed_at", "usage", "degraded",
    "written_by",
}  # fmt: skip


async def context_of(
    body: ResponseBody, items: tuple[Item, ...], corpus: Corpus, tenant: str
) -> list[JsonItem]:
    """Reads what goes before the input: a chain of responses, or a conversation.

    Raises:
        BadRequestError: it does not exist, or the conversation does not take the input.
        UnknownConversationError: there is no such conversation.
    """
    if body.previous_response_id is not None:
        return await _chained(body.previous_response_id, corpus, tenant)
    name = body.conversation_id
    if name is None:
        return []
    page = await corpus.list_conversation_items(tenant, name, order="asc")
    known = {item.id for item in page.items}
    for index, item in enumerate(items):
        if item.id in known:
            msg = f"the conversation has the item {item.id!r} already"
            raise BadRequestError(msg, param=f"input[{index}].id")
    if len(known) + len(items) + 2 > MAX_CONVERSATION_ITEMS:  # 2: a search and an answer
        msg = f"a conversation may have {MAX_CONVERSATION_ITEMS} items, it has {len(known)} already"
        raise BadRequestError(msg, param="conversation", code="conversation_full")
    return [as_json(item) for item in page.items]


async def _chained(previous_id: str, corpus: Corpus, tenant: str) -> list[JsonItem]:
    try:
        chain = await corpus.response_chain(tenant, previous_id)
    except UnknownResponseError as err:
        msg = f"Previous response with id '{previous_id[:80]}' not found: {err}"
        code = "previous_response_not_found"
        raise BadRequestError(msg, param="previous_response_id", code=code) from err
    if chain[-1].status in UNFINISHED:
        msg = f"the response '{previous_id}' has not ended: it is {chain[-1].status}"
        raise BadRequestError(msg, param="previous_response_id")
    return items_of(chain)


def name_of(asked: Resumption) -> str:
    """Gives the id of a response: the same for all who ask the same under one key."""
    return f"resp_{asked.fingerprint.hex()[:32] if asked.has_key else uuid.uuid4().hex}"


def record_of(
    body: ResponseBody, question: Question, items: tuple[Item, ...], caller: Caller, *, name: str
) -> StoredResponse:
    """Makes what is kept of a response that nobody has worked on."""
    head = _head(body, name, int(time.time()), caller)
    status: ResponseStatus = "queued" if body.background else "in_progress"
    response = ResponseShape(head, with_results=True).response()
    response.status = status
    return StoredResponse(
        id=head["id"],
        tenant=caller.tenant,
        key_id=caller.key_id,
        created_at=head["created_at"],
        status=status,
        request=question.model_dump_json(),
        items=items,
        body=to_json(response),
        previous_id=body.previous_response_id,
        conversation_id=body.conversation_id,
        attempt=0 if body.background else 1,
    )


def head_of(record: StoredResponse) -> Mapping[str, Any]:
    """Gives the fields of a response that do not depend on its answer."""
    return {name: value for name, value in json.loads(record.body).items() if name not in _STATE}


def response_of(record: StoredResponse, *, with_results: bool) -> RagResponse:
    """Gives a kept response as its client sees it."""
    told = json.loads(record.body) | {"status": record.status}
    if not with_results:
        told["output"] = [shown(item, with_results=False).model_dump() for item in told["output"]]
    response = RagResponse(**told)
    response.created_at = told["created_at"]  # whole seconds, as OpenAI sends them
    response.completed_at = told["completed_at"]
    return response


def _head(body: ResponseBody, name: str, created_at: int, caller: Caller) -> dict[str, Any]:
    """Gives every field that a response repeats of its request."""
    sent = body.model_dump(mode="json")
    same = (
        "instructions", "max_output_tokens", "max_tool_calls", "model", "previous_response_id",
        "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "temperature", "top_p",
        "user",
    )  # fmt: skip
    conversation = body.conversation_id
    return {name: sent[name] for name in same} | {
        "id": name,
        "object": "response",
        "created_at": created_at,
        "background": bool(body.background),
        "conversation": None if conversation is None else {"id": conversation},
        "metadata": sent["metadata"] or {},
        "parallel_tool_calls": body.parallel_tool_calls is not False,
        "reasoning": {"effort": body.reasoning and body.reasoning.effort, "summary": None},
        "service_tier": caller.service_class,
        "store": body.store is not False,
        "text": _text(body),
        "tool_choice": sent["tool_choice"] or "auto",
        "tools": sent["tools"] or [],
        "top_logprobs": body.top_logprobs or 0,
        "truncation": body.truncation or "disabled",
    }


def _text(body: ResponseBody) -> dict[str, Any]:
    options = body.text or TextOptions()
    told: dict[str, Any] = {"format": {"type": "text"}}
    if options.format is not None:
        told["format"] = options.format.model_dump(by_alias=True, exclude_none=True)
    return told
