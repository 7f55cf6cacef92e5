"""The bounds of attributes, metadata and names, as OpenAI's API and the databases set them."""

import math
import re
from collections.abc import Mapping

from index.errors import InvalidAttributesError

MAX_KEYS = 16
MAX_KEY_CHARS = 64
MAX_VALUE_CHARS = 512
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def check_attributes(attributes: Mapping[str, str | float | bool]) -> None:
    """Checks the attributes of a store file or the metadata of a store.

    Raises:
        InvalidAttributesError: too many keys, a key or value too long or not storable, or a
            value of another type.
    """
    if len(attributes) > MAX_KEYS:
        raise InvalidAttributesError(f"at most {MAX_KEYS} keys, got {len(attributes)}")
    for key, value in attributes.items():
        if not 1 <= len(key) <= MAX_KEY_CHARS:
            raise InvalidAttributesError(
                f"a key must have 1..{MAX_KEY_CHARS} characters, got {len(key)}"
            )
        check_storable(key)
        if isinstance(value, str):
            check_storable(value)
            if len(value) > MAX_VALUE_CHARS:
                raise InvalidAttributesError(
                    f"the value of {key!r} must have at most {MAX_VALUE_CHARS} characters, "
                    f"got {len(value)}"
                )
        elif not isinstance(value, int | float) or not math.isfinite(value):
            raise InvalidAttributesError(
                f"the value of {key!r} must be a string, a finite number or a boolean, "
                f"got {value!r}"
            )


def check_storable(text: str) -> None:
    """Checks a text that a client chose.

    Raises:
        InvalidAttributesError: no database can hold it.
    """
    if not is_storable(text):
        raise InvalidAttributesError(f"text holds a NUL or a lone surrogate: {text[:80]!r}")


def is_storable(text: str) -> bool:
    """Whether both databases hold this text: PostgreSQL no NUL, and UTF-8 no lone surrogate."""
    return _UNSTORABLE.search(text) is None


def make_storable(text: str) -> str:
    """Writes U+FFFD, the replacement character, for what a database cannot hold."""
    return _UNSTORABLE.sub("\ufffd", text)
