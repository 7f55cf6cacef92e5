"""Attribute filters in requests: checked at the border, so that a fault names its field."""

from typing import Annotated, Any

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from index.errors import InvalidFilterError
from index.searching.filters import parse_filter


def _check(spec: dict[str, Any]) -> dict[str, Any]:
    try:
        parse_filter(spec)
    except InvalidFilterError as err:
        raise PydanticCustomError("invalid_filter", "{reason}", {"reason": str(err)}) from err
    return spec


# OpenAI's comparison and compound filters, the one filter language of all routes.
FilterSpec = Annotated[dict[str, Any], AfterValidator(_check)]
