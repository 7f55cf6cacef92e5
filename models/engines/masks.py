"""Which ids may come next, so that an answer keeps to its constraint.

A mask is a pure function of the answer's ids: an answer that is resumed elsewhere is held to the
same constraint from the ids that were delivered. It is packed as llguidance and vLLM pack theirs:
bit `id % 32` of word `id // 32` says whether an id may come.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.constraints import Choices, PackedMask, TokenMask
from models.errors import InvalidInputError
from models.generation import EngineStep

Encode = Callable[[Sequence[str]], Sequence[Sequence[int]]]


def pack(ids: Collection[int], vocabulary_size: int) -> PackedMask:
    """Packs the ids that may come; int32, (ceil(vocabulary_size / 32),)."""
    bits = np.zeros(-(-vocabulary_size // 32) * 32, dtype=np.uint8)
    bits[list(ids)] = 1
    return np.packbits(bits, bitorder="little").view(np.int32)


def unpack(packed: PackedMask, vocabulary_size: int) -> npt.NDArray[np.bool_]:
    """Unpacks masks.

    Args:
        packed: int32, (..., ceil(vocabulary_size / 32)).
        vocabulary_size: number of ids.

    Returns:
        bool, (..., vocabulary_size).
    """
    octets = np.ascontiguousarray(packed).view(np.uint8)
    return np.unpackbits(octets, axis=-1, count=vocabulary_size, bitorder="little").view(np.bool_)


@dataclass(frozen=True, kw_only=True)
class ChoicesMask:
    """Lets through the answers that are allowed. See `TokenMask`.

    Attributes:
        answers: the ids of each, its end-of-sequence id included.
        end_id: the id that ends an answer.
        vocabulary_size: number of ids.
    """

    answers: tuple[tuple[int, ...], ...]
    end_id: int
    vocabulary_size: int

    def allowed(self, answer_ids: Sequence[int]) -> PackedMask:
        """Packs the ids that may come next; the end, where the answer is none of the choices."""
        written = tuple(answer_ids)
        size = len(written)
        ids = {a[size] for a in self.answers if len(a) > size and a[:size] == written}
        return pack(ids or {self.end_id}, self.vocabulary_size)

    def rest(self, answer_ids: Sequence[int]) -> tuple[int, ...] | None:
        """Gives the only rest that the answer can have, without the id that ends it."""
        written = tuple(answer_ids)
        size = len(written)
        left = [a for a in self.answers if len(a) > size and a[:size] == written]
        return left[0][size:-1] if len(left) == 1 else None

    def check(self, answer_ids: Sequence[int]) -> None:
        """Raises InvalidInputError when the answer is the beginning of no choice."""
        written = tuple(answer_ids)
        if all(answer[: len(written)] != written for answer in self.answers):
            msg = f"the {len(written)} ids of the answer are the beginning of no choice"
            raise InvalidInputError(msg)


def choices_mask(
    choices: Choices, encode: Encode, *, end_id: int, vocabulary_size: int
) -> ChoicesMask:
    """Makes the mask of choices.

    Args:
        choices: what the answer is held to.
        encode: texts to ids, without special tokens.
        end_id: the id that ends an answer.
        vocabulary_size: number of ids.
    """
    # Each as a start of line and as going on after a space, where there is something to choose.
    texts = choices.texts
    forms = texts if len(texts) == 1 else [form for text in texts for form in (text, f" {text}")]
    answers = tuple((*ids, end_id) for ids in encode(forms))
    return ChoicesMask(answers=answers, end_id=end_id, vocabulary_size=vocabulary_size)


def forced_rest(mask: TokenMask | None, written: Sequence[int], end: int) -> EngineStep | None:
    """Gives the only rest of an answer, up to its end or its limit; None while there are several.

    Args:
        mask: what the answer is held to.
        written: its ids.
        end: how many it may have.
    """
    rest = mask.rest(written) if mask is not None else None
    if rest is None:
        return None
    room = end - len(written)
    return EngineStep(token_ids=rest[:room], finish_reason="stop" if len(rest) < room else "length")
