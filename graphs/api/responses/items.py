"""Items of responses and conversations: read from a request, kept as JSON, turned into turns.

message            kept with its text; a turn of the chat
file_search_call   kept, no turn: what it found is searched anew
reasoning          left out: no model reads that of another
all others         refused by name
"""

import json
import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from graphs.api.errors import BadRequestError
from graphs.api.responses.response_schema import InputItem, Part
from graphs.pipeline.events import Message
from index.catalog.answers.records import Item, StoredResponse
from index.catalog.attributes import is_storable

_TEXTS = {"input_text", "output_text", "text"}
JsonItem = dict[str, Any]


class AnyItem(BaseModel):
    """An item as it is kept, to be sent."""

    model_config = ConfigDict(extra="allow")


def read_items(given: str | Sequence[InputItem], *, param: str) -> tuple[Item, ...]:
    """Reads the items of a request.

    Args:
        given: as its schema has it.
        param: the field that they stand in.

    Raises:
        BadRequestError: an item or a part of one is of a kind that is not served.
    """
    if isinstance(given, str):
        given = [InputItem(role="user", content=given)]
    read = [_read(item, f"{param}[{index}]") for index, item in enumerate(given)]
    return tuple(item for item in read if item is not None)


def turns_of(items: Iterable[JsonItem], instructions: str | None) -> tuple[Message, ...]:
    """Makes the chat of all items, oldest first; its last turn is the question.

    Raises:
        BadRequestError: no question of the user ends the input.
    """
    turns = [_turn(item) for item in items if item["type"] == "message"]
    spoken = [turn for turn in turns if turn.role in {"user", "assistant"}]
    question = spoken[-1] if spoken else None
    if question is None or question.role != "user" or not question.text.strip():
        msg = "the last message must be the user's question, and not blank"
        raise BadRequestError(msg, param="input")
    told = [Message(role="system", content=instructions)] if instructions else []
    kept = [turn for turn in turns if turn is not question and turn.text.strip()]
    return (*told, *kept, question)


def as_json(item: Item) -> JsonItem:
    """Reads an item that was kept."""
    value: JsonItem = json.loads(item.data)
    return value


def kept_item(value: JsonItem) -> Item:
    """Makes what is kept of an item."""
    return Item(id=value["id"], data=json.dumps(value))


def items_of(responses: Iterable[StoredResponse]) -> list[JsonItem]:
    """Gives what went into these responses and came out of them, oldest first."""
    items: list[JsonItem] = []
    for one in responses:
        items += map(as_json, one.items)
        items += json.loads(one.body)["output"]
    return items


def shown(value: JsonItem, *, with_results: bool) -> AnyItem:
    """Makes an item to be sent; the results of a search only where they were asked for."""
    if value["type"] == "file_search_call" and not with_results:
        value = value | {"results": None}
    return AnyItem(**value)


def _read(item: InputItem, param: str) -> Item | None:
    if item.type == "reasoning":
        return None
    if item.id is not None and not is_storable(item.id):
        raise BadRequestError("an id must not contain the character NUL", param=f"{param}.id")
    if item.type == "file_search_call":
        call = {"id": item.id or f"fs_{uuid.uuid4().hex}", "type": "file_search_call"}
        return kept_item(
            call | {"status": "completed", "queries": item.queries or [], "results": None}
        )
    if item.type != "message":
        msg = f"items of type 'message' are read here, got '{item.type[:64]}'"
        raise BadRequestError(msg, param=f"{param}.type", code="unsupported_value")
    if item.role is None:
        msg = "a message needs a role"
        raise BadRequestError(msg, param=f"{param}.role", code="missing_required_parameter")
    if item.content is None:
        msg = "a message needs a content"
        raise BadRequestError(msg, param=f"{param}.content", code="missing_required_parameter")
    parts = item.content
    if isinstance(parts, str):
        parts = [Part(type="input_text", text=parts)]
    content = [
        _part(part, item.role, f"{param}.content[{index}]") for index, part in enumerate(parts)
    ]
    return kept_item(
        {
            "id": item.id or f"msg_{uuid.uuid4().hex}",
            "type": "message",
            "role": item.role,
            "status": "completed",
            "content": content,
        }
    )


def _part(part: Part, role: str, param: str) -> JsonItem:
    if part.type == "refusal" and role == "assistant":
        return {"type": "refusal", "refusal": part.refusal or ""}
    if part.type not in _TEXTS:
        msg = f"parts of type 'input_text' or 'output_text' are read here, got '{part.type[:64]}'"
        raise BadRequestError(msg, param=f"{param}.type", code="unsupported_value")
    if part.text is None:
        raise BadRequestError(
            "the part needs a text", param=f"{param}.text", code="missing_required_parameter"
        )
    if role != "assistant":
        return {"type": "input_text", "text": part.text}
    annotations = part.annotations or []
    return {"type": "output_text", "text": part.text, "annotations": annotations, "logprobs": []}


def _turn(item: JsonItem) -> Message:
    texts = [part.get("text") or part.get("refusal") or "" for part in item["content"]]
    return Message(role=item["role"], content="\n".join(text for text in texts if text))
