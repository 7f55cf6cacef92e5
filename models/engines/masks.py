"""Which ids may come next, so that an answer keeps to its constraint.

A mask is a pure function of the answer's ids and holds no state: an answer that is resumed
elsewhere is held to the same constraint from the ids that were delivered.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from models.constraints import Choices, Constraint
from models.errors import InvalidInputError
from models.generation import TokenMask

Encode = Callable[[Sequence[str]], Sequence[Sequence[int]]]


@dataclass(frozen=True, kw_only=True)
class ChoicesMask:
    """Lets through the answers that are allowed. See `TokenMask`.

    Attributes:
        answers: the ids of each, its end-of-sequence id included.
    """

    answers: tuple[tuple[int, ...], ...]

    def next_ids(self, answer_ids: Sequence[int]) -> list[int]:
        """Gives the ids that may come after those of the answer so far."""
        written = tuple(answer_ids)
        size = len(written)
        return sorted({a[size] for a in self.answers if len(a) > size and a[:size] == written})

    def rest(self, answer_ids: Sequence[int]) -> tuple[int, ...] | None:
        """Gives the only rest that the answer can have, without the id that ends it."""
        written = tuple(answer_ids)
        size = len(written)
        left = [a for a in self.answers if len(a) > size and a[:size] == written]
        return left[0][size:-1] if len(left) == 1 else None


def make_mask(constraint: Constraint, encode: Encode, end_id: int) -> TokenMask:
    """Makes the mask of a constraint.

    Args:
        constraint: what the answer is held to.
        encode: texts to ids, without special tokens.
        end_id: the id that ends an answer.

    Raises:
        InvalidInputError: there is no mask for this kind.
    """
    if not isinstance(constraint, Choices):
        msg = f"there is no mask for constraints of kind {constraint.kind}, only for choices"
        raise InvalidInputError(msg)
    # Each as a start of line and as going on after a space, where there is something to choose.
    texts = constraint.texts
    forms = texts if len(texts) == 1 else [form for text in texts for form in (text, f" {text}")]
    return ChoicesMask(answers=tuple((*ids, end_id) for ids in encode(forms)))
