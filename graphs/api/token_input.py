"""What is embedded or completed: texts, or ids of cl100k_base, which OpenAI's clients may send.

They are never ids of the models that are served, so they are decoded and read as text.
"""

import asyncio
import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Annotated

import tiktoken
from pydantic import Discriminator, Field, Tag

from graphs.api.errors import BadRequestError
from graphs.config import HttpSettings
from models.errors import UnsafeModelError

_RANKS = Path(__file__).parents[2] / "models" / "bundled" / "cl100k_base.tiktoken"
# Hash, pattern and special tokens as in tiktoken_ext.openai_public.cl100k_base (tiktoken 0.14).
_RANKS_SHA256 = "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"
_PATTERN = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
    r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
)
_SPECIAL_TOKENS = {
    "<|endoftext|>": 100257,
    "<|fim_prefix|>": 100258,
    "<|fim_middle|>": 100259,
    "<|fim_suffix|>": 100260,
    "<|endofprompt|>": 100276,
}


Text = Annotated[str, Field(min_length=1)]
TokenIds = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]


def _input_tag(value: object) -> str:
    """Tells the four shapes apart by the first element: faults are then told for that one only."""
    if not isinstance(value, list):
        return "text"
    first = value[0] if value else ""
    if isinstance(first, list):
        return "token_lists"
    return "tokens" if isinstance(first, int) else "texts"


TextInput = Annotated[
    Annotated[Text, Tag("text")]
    | Annotated[list[Text], Field(min_length=1), Tag("texts")]
    | Annotated[TokenIds, Tag("tokens")]
    | Annotated[list[TokenIds], Tag("token_lists")],
    Discriminator(_input_tag),
]


@cache
def cl100k_base() -> tiktoken.Encoding:
    """Loads the vendored encoding, once; about 0.2 s.

    Raises:
        UnsafeModelError: the file is not the published one.
    """
    ranks = _RANKS.read_bytes()
    if (digest := hashlib.sha256(ranks).hexdigest()) != _RANKS_SHA256:
        msg = f"{_RANKS.name} must have sha256 {_RANKS_SHA256}, got {digest}"
        raise UnsafeModelError(msg)
    pairs = (line.split() for line in ranks.splitlines())
    return tiktoken.Encoding(
        name="cl100k_base",
        pat_str=_PATTERN,
        mergeable_ranks={base64.b64decode(token): int(rank) for token, rank in pairs},
        special_tokens=_SPECIAL_TOKENS,
    )


async def texts_of(
    value: str | list[str] | list[int] | list[list[int]],
    settings: HttpSettings,
    *,
    param: str = "input",
) -> list[str]:
    """Gives the texts of an input, in their order.

    Raises:
        BadRequestError: too many, or ids that are not accepted, or not of cl100k_base.
    """
    given = [value] if isinstance(value, str) else value
    texts = [one for one in given if isinstance(one, str)]
    token_lists = [one for one in given if isinstance(one, list)]
    if not texts and not token_lists:
        token_lists = [[one for one in given if isinstance(one, int)]]
    count = len(texts) + len(token_lists)
    if count > settings.max_inputs:
        msg = f"{param} must have at most {settings.max_inputs} texts, got {count}"
        raise BadRequestError(msg, param=param)
    if token_lists and settings.token_input == "reject":
        msg = f"{param} must be text: token ids are not accepted here"
        raise BadRequestError(msg, param=param)
    # On a thread, since the first call of a process loads the vocabulary.
    return texts or await asyncio.to_thread(decode_inputs, token_lists, param)


def decode_inputs(inputs: Sequence[Sequence[int]], param: str = "input") -> list[str]:
    """Gives the text of every list of token ids.

    Raises:
        BadRequestError: an id that cl100k_base does not have.
    """
    encoding = cl100k_base()
    try:
        return [encoding.decode(list(ids)) for ids in inputs]
    except (KeyError, OverflowError) as err:
        msg = f"token ids must be of cl100k_base, in 0..{encoding.max_token_value}: {err}"
        raise BadRequestError(msg, param=param) from err
