"""The sizes of a model, from the config.json of its checkpoint; families name them differently."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Of LLaMA and BERT; DistilBERT; GPT-2; T5, OPT and others.
_NAMES = {
    "hidden": ("hidden_size", "dim", "n_embd", "d_model"),
    "layers": ("num_hidden_layers", "n_layers", "n_layer", "num_layers"),
    "heads": ("num_attention_heads", "n_heads", "n_head", "num_heads"),
    "intermediate": ("intermediate_size", "hidden_dim", "n_inner", "ffn_dim", "d_ff"),
    "context": ("max_position_embeddings", "n_positions", "max_seq_len", "n_ctx"),
}
_KV_HEADS = ("num_key_value_heads", "n_head_kv", "num_kv_heads")
_OFFSET_POSITIONS = ("roberta", "xlm-roberta", "camembert")  # the first positions are padding
# Which layers see a window where the config does not say: every n-th sees all; 0: none does.
_FULL_EVERY = {"gemma2": 2, "gemma3": 6, "gemma3_text": 6, "mistral": 0}


_MAX_BYTES = 10 * 2**20


class UnknownSizesError(ValueError):
    """A config.json does not tell the sizes of a model that are needed."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """The sizes of a model.

    Attributes:
        layers, heads, kv_heads, head_dim, hidden, intermediate, vocabulary: of its config.json.
        context: most tokens of an input.
        reads: tokens at which an encoder cuts where nothing is set; None: the context.
        latent: numbers that a layer keeps of a token where heads share them (MLA); None: it keeps
            a key and a value for each head.
        window: tokens that the layers in `window_layers` keep; None: all keep all.
        window_layers: how many see no more than the window.
    """

    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    hidden: int
    intermediate: int
    vocabulary: int
    context: int
    reads: int | None = None
    latent: int | None = None
    window: int | None = None
    window_layers: int = 0

    @property
    def cached_numbers(self) -> int:
        """Numbers that one layer keeps of one token."""
        return self.latent or 2 * self.kv_heads * self.head_dim

    def cached_layer_tokens(self, tokens: int) -> int:
        """Tokens that all layers together keep of a text of so many."""
        within = min(tokens, self.window or tokens)
        return (self.layers - self.window_layers) * tokens + self.window_layers * within


def read_sizes(folder: Path) -> Sizes:
    """Reads the sizes of a checkpoint.

    Raises:
        UnknownSizesError: a size is not told.
        OSError: there is no config.json.
    """
    whole = _mapping(folder / "config.json")
    config = {**whole, **(whole.get("text_config") or {})}
    found = {name: _first(config, names) for name, names in _NAMES.items()}
    if found["intermediate"] is None and found["hidden"] is not None:
        found["intermediate"] = 4 * found["hidden"]  # as transformers takes it then
    found["vocabulary"] = _first(config, ("vocab_size",))
    lacking = sorted(name for name, value in found.items() if value is None)
    if lacking:
        raise UnknownSizesError(f"{folder / 'config.json'} does not tell {', '.join(lacking)}")
    told = {name: value for name, value in found.items() if value is not None}
    if config.get("model_type") in _OFFSET_POSITIONS:
        told["context"] -= int(config.get("pad_token_id", 1)) + 1
    one_head = config.get("multi_query") is True
    window, window_layers = _window(config, told["layers"])
    return Sizes(
        **told, reads=_reads(folder), latent=_latent(config), window=window,
        kv_heads=1 if one_head else _first(config, _KV_HEADS) or told["heads"],
        head_dim=_first(config, ("head_dim",)) or told["hidden"] // told["heads"],
        window_layers=window_layers,
    )  # fmt: skip


def _mapping(path: Path) -> dict[str, Any]:
    if path.stat().st_size > _MAX_BYTES:
        raise UnknownSizesError(f"{path} is too large")
    try:
        value = json.loads(path.read_text())
    except (ValueError, RecursionError) as err:
        raise UnknownSizesError(f"{path}: no JSON: {err}") from err
    if not isinstance(value, dict):
        raise UnknownSizesError(f"{path} is no mapping")
    return value


def _first(config: Mapping[str, Any], names: Sequence[str]) -> int | None:
    """The first of these that is a number above 0."""
    for name in names:
        value = config.get(name)
        if isinstance(value, int | float) and math.isfinite(value) and value >= 1:
            return int(value)
    return None


def _reads(folder: Path) -> int | None:
    """Where sentence-transformers cuts texts, which may be sooner than the model could read."""
    path = folder / "sentence_bert_config.json"
    return _first(_mapping(path), ("max_seq_length",)) if path.is_file() else None


def _latent(config: Mapping[str, Any]) -> int | None:
    """DeepSeek's MLA keeps one compressed vector and one rotated key (arXiv 2405.04434)."""
    rank = _first(config, ("kv_lora_rank",))
    return None if rank is None else rank + (_first(config, ("qk_rope_head_dim",)) or 0)


def _window(config: Mapping[str, Any], layers: int) -> tuple[int | None, int]:
    """The window, and the layers that it holds for; none where that is not told."""
    window = _first(config, ("sliding_window",))
    if window is None or config.get("use_sliding_window") is False:
        return None, 0
    kinds = config.get("layer_types")
    if isinstance(kinds, list):
        return window, min(layers, sum(kind == "sliding_attention" for kind in kinds))
    every = _first(config, ("sliding_window_pattern", "_sliding_window_pattern"))
    if every is None:
        every = _FULL_EVERY.get(str(config.get("model_type")))
    if every is None:
        return None, 0
    return window, layers - (layers // every if every else 0)
