"""The ids that end an answer of a model, as its checkpoint says: one that masks end with, and more.

A tokenizer names one end of sequence, and its generation settings may name others, or other ones:
Kimi K2's turns end with an id that its tokenizer does not name as its end.
"""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any


def end_ids_of(folder: Path, tokenizer: Any, vocabulary_size: int) -> tuple[int, ...]:
    """Lists the ids, the tokenizer's own first where engines end with it.

    Args:
        folder: of the checkpoint.
        tokenizer: of transformers.
        vocabulary_size: what is told beyond it no engine can write, and is left out.
    """
    own = int(tokenizer.eos_token_id)
    told = _told(folder)
    ids = told if isinstance(told, list | tuple) else [own if told is None else told]
    there = dict.fromkeys(one for one in map(int, ids) if 0 <= one < vocabulary_size)
    return tuple(sorted(there or [own], key=lambda one: one != own))


def _told(folder: Path) -> Any:
    """What the generation settings say, or in their place the model's: None, one or a list."""
    from transformers import GenerationConfig, PreTrainedConfig

    with suppress(OSError):
        return GenerationConfig.from_pretrained(folder).eos_token_id
    config: Mapping[str, Any] = {}
    with suppress(OSError):
        config, _ = PreTrainedConfig.get_config_dict(folder)
    return config.get("eos_token_id", config.get("text_config", {}).get("eos_token_id"))
