"""Token ids in embeddings requests: OpenAI clients may send ids of cl100k_base in place of text.

They are never ids of the embedder that is served, so they are decoded and embedded as text.
"""

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import tiktoken

from graphs.api.errors import BadRequestError
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


def decode_inputs(inputs: Sequence[Sequence[int]]) -> list[str]:
    """Gives the text of every list of token ids.

    Raises:
        BadRequestError: an id that cl100k_base does not have.
    """
    encoding = cl100k_base()
    try:
        return [encoding.decode(list(ids)) for ids in inputs]
    except (KeyError, OverflowError) as err:
        msg = f"token ids must be of cl100k_base, in 0..{encoding.max_token_value}: {err}"
        raise BadRequestError(msg, param="input") from err
