"""The ids that end an answer of a model, as its checkpoint says: one that masks end with, and more.

A tokenizer names one end of sequence, and its generation settings may name others, or other ones:
Kimi K2's turns end with an id that its tokenizer does not name as its end.
"""

from pathlib import Path
from typing import Any


def end_ids_of(folder: Path, tokenizer: Any) -> tuple[int, ...]:
    """Lists the ids, the tokenizer's own first where engines end with it.

    Args:
        folder: of the checkpoint.
        tokenizer: of transformers.
    """
    from transformers import GenerationConfig

    own = int(tokenizer.eos_token_id)
    try:
        told = GenerationConfig.from_pretrained(folder).eos_token_id
    except OSError:  # it has none
        told = None
    ids = [told] if isinstance(told, int) else [int(one) for one in told or [own]]
    return tuple(sorted(ids, key=lambda one: one != own))
