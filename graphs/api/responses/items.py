"""Items of responses and conversations: read from a request, kept as JSON.

message            kept with its text; a turn of the chat
function_call, function_call_output
                   kept; a call belongs to the turn before it, its result to the call
file_search_call   kept, no turn: what it found is searched anew
reasoning          left out: no model reads that of another
item_reference     the item of an earlier output (references.py); in a conversation, refused
all others         refused by name
"""

import json
import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from graphs.api.chat.calls import arguments_text, result_text
from graphs.api.errors import BadRequestError
from graphs.api.responses.response_schema import InputItem, Part
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
    if item.type in ("function_call", "function_call_output"):
        return kept_item(_call(item, param))
    if item.type is not None and item.type != "message":
        msg = f"items of type 'message' and 'function_call' are read here, got '{item.type[:64]}'"
        raise BadRequestError(msg, param=f"{param}.type", code="unsupported_value")
    return kept_item(_message(item, param))


def _message(item: InputItem, param: str) -> JsonItem:
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
    return {
        "id": item.id or f"msg_{uuid.uuid4().hex}",
        "type": "message",
        "role": item.role,
        "status": "completed",
        "content": content,
    }


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


def _call(item: InputItem, param: str) -> JsonItem:
    """Reads a call, or its output.

    Raises:
        BadRequestError: a field is missing.
    """
    is_call = item.type == "function_call"
    for field in ("call_id", "name") if is_call else ("call_id",):
        if not getattr(item, field):
            msg = f"a {item.type} needs a {field}"
            code = "missing_required_parameter"
            raise BadRequestError(msg, param=f"{param}.{field}", code=code)
    kept = {"type": item.type, "call_id": item.call_id, "status": "completed"}
    if is_call:
        given = arguments_text({"arguments": item.arguments})
        return {"id": item.id or f"fc_{uuid.uuid4().hex}"} | kept | {
            "name": item.name, "arguments": given,
        }  # fmt: skip
    return (
        {"id": item.id or f"fco_{uuid.uuid4().hex}"} | kept | {"output": result_text(item.output)}
    )
