"""Fields that several bodies have: what is refused by name, and contents made of parts."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, ValidationInfo
from pydantic_core import PydanticCustomError

from graphs.api.border.bodies.strict_json import RequestModel


def _refuse_if_set(value: object, info: ValidationInfo) -> None:
    if value:
        raise PydanticCustomError(
            "unsupported_parameter", "{field} is not supported here", {"field": info.field_name}
        )


def _refuse_if_given(value: object, info: ValidationInfo) -> None:
    _refuse_if_set(value is not None, info)


# A field whose neutral value (null, false, 0, empty) is fine and any other is refused.
UNLESS_NEUTRAL = AfterValidator(_refuse_if_set)
Unsupported = Annotated[object, UNLESS_NEUTRAL]
# A field that asks for something when it is empty, too.
Refused = Annotated[object, AfterValidator(_refuse_if_given)]


# Of one chat. OpenAI takes 2,048; agents that are long at work may have more, and no context holds
# as many as a body of a megabyte would.
MAX_MESSAGES = 4096

# OpenAI's names; what they mean here is in graphs/api/accounting/turns.py.
ServiceTier = Literal["auto", "default", "flex", "scale", "priority", "fast"]

# OpenAI takes 64 characters; ids that clients put together are longer, and only hashed here.
CacheKey = Annotated[str, Field(max_length=1024)]


def only(*allowed: object, name: str) -> AfterValidator:
    """Makes a validator that refuses every value but null and the given ones."""

    def check(value: object) -> None:
        if value is not None and value not in allowed:
            accepted = " or ".join(repr(one) for one in allowed)
            raise PydanticCustomError(
                "unsupported_value",
                "{name} must be {accepted}",
                {"name": name, "accepted": accepted},
            )

    return AfterValidator(check)


def _check_part_type(kind: str) -> str:
    if kind != "text":
        raise PydanticCustomError(
            "unsupported_value",
            "only parts of type 'text' are supported, got '{kind}'",
            {"kind": kind},
        )
    return kind


class ContentPart(RequestModel):
    """One part of a message or of a moderations input."""

    type: Annotated[str, AfterValidator(_check_part_type)]
    text: str


def _content_tag(content: object) -> str:
    return "parts" if isinstance(content, list) else "string"


Content = Annotated[
    Annotated[str, Tag("string")] | Annotated[list[ContentPart], Tag("parts")],
    Discriminator(_content_tag),
]


def joined(content: str | list[ContentPart]) -> str:
    """Gives the text of a content; parts are joined by line breaks."""
    return content if isinstance(content, str) else "\n".join(part.text for part in content)
