"""Pydantic models to JSON replies: only the fields that were set, under their wire names."""

from collections.abc import Mapping, Sequence
from typing import Generic, Literal, TypeVar

from fastapi import Response
from pydantic import BaseModel, SerializeAsAny

Item = TypeVar("Item", bound=BaseModel)


class ListPage(BaseModel, Generic[Item]):
    """One page of a list, as the OpenAI clients page through it."""

    object: Literal["list"]
    data: list[SerializeAsAny[Item]]
    first_id: str | None
    last_id: str | None
    has_more: bool


def to_json(model: BaseModel) -> str:
    """Writes a model as JSON; subclasses keep the fields they added."""
    return model.model_dump_json(exclude_unset=True, by_alias=True, serialize_as_any=True)


def json_reply(model: BaseModel, headers: Mapping[str, str] | None = None) -> Response:
    """Makes the 200 reply of a model."""
    return Response(to_json(model), media_type="application/json", headers=headers)


def list_reply(items: Sequence[BaseModel], ids: Sequence[str], *, has_more: bool) -> Response:
    """Makes the reply for one page; `ids` belong to `items`."""
    page = ListPage[BaseModel](
        object="list",
        data=list(items),
        first_id=ids[0] if ids else None,
        last_id=ids[-1] if ids else None,
        has_more=has_more,
    )
    return json_reply(page)
