"""Whether settings suit the sizes of their models, as far as those are known on this machine."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from deployments.ingester import IngesterConfig
from deployments.state import models_folder
from deployments.user_config import ConfigFault, Place
from models.checkpoints.at_hand import sizes_at_hand
from models.checkpoints.sizes import Sizes
from models.encoders.encoder import EncoderConfig
from models.generator import GeneratorConfig

Settings = Mapping[str, Any]
Named = Sequence[tuple[tuple[Place, str], Settings]]  # place and name, and the block
SizesOf = Callable[[str, str | None], Sizes | None]  # of a model id and a commit

_MOST_GPUS = 16  # that a message names
_MARKS = 2  # tokens that begin and end an input of an encoder
_BUNDLED_READS = {"bundled:multilingual": 256}  # models/encoders/packed_e5.py


def known_here(model: str, revision: str | None) -> Sizes | None:
    """The sizes of a model whose files lie on this machine."""
    return sizes_at_hand(model, revision, models_folder())


def size_faults(
    named: Named, kinds: Mapping[str, type[Any]], sizes_of: SizesOf
) -> Iterator[ConfigFault]:
    """Finds contexts and splits that a model does not have, and passages that it would cut.

    Args:
        named: the blocks of the application.
        kinds: the classes of their settings.
        sizes_of: what is known of models.
    """
    for (place, name), block in named:
        kind, user_config = kinds.get(name), block.get("user_config")
        if kind is None or not isinstance(user_config, Mapping):
            continue
        sizes = _sizes(user_config, sizes_of)
        if sizes is not None and issubclass(kind, GeneratorConfig):
            yield from (one.under(place) for one in _generator_faults(block, user_config, sizes))
        if sizes is not None and issubclass(kind, EncoderConfig):
            yield from (one.under(place) for one in _above(user_config, "max_tokens", sizes))
        if issubclass(kind, IngesterConfig):
            yield from (one.under(place) for one in _cut_passages(user_config, named, sizes_of))


def _sizes(user_config: Settings, sizes_of: SizesOf) -> Sizes | None:
    model, revision = user_config.get("model"), user_config.get("revision")
    if not isinstance(model, str) or not isinstance(revision, str | None):
        return None  # told by the checks of types
    return sizes_of(model, revision)


def _generator_faults(
    block: Settings, user_config: Settings, sizes: Sizes
) -> Iterator[ConfigFault]:
    yield from _above(user_config, "context_tokens", sizes)
    options = block.get("ray_actor_options")
    num_gpus = options.get("num_gpus") if isinstance(options, Mapping) else None
    if user_config.get("engine") != "vllm" or not isinstance(num_gpus, int | float):
        return
    if num_gpus > 1 and float(num_gpus).is_integer() and not _splits(sizes, int(num_gpus)):
        fitting = [str(one) for one in range(1, _MOST_GPUS + 1) if _splits(sizes, one)]
        message = f"num_gpus must divide the {sizes.heads} attention heads of the model and suit "
        message += f"its {sizes.kv_heads} heads of keys ({', '.join(fitting)}), got {num_gpus:g}"
        yield ConfigFault(where=("ray_actor_options",), key="num_gpus", message=message)


def _splits(sizes: Sizes, gpus: int) -> bool:
    """Whether vLLM can share the heads out: each GPU has as many, or several keep the same keys."""
    keys = sizes.kv_heads
    suits = sizes.latent is not None or keys % gpus == 0 or gpus % keys == 0
    return sizes.heads % gpus == 0 and suits


def _above(user_config: Settings, key: str, sizes: Sizes) -> Iterator[ConfigFault]:
    given = user_config.get(key)
    if isinstance(given, int) and given > sizes.context:
        message = f"{key} must be at most {sizes.context}, the model's own limit, got {given}"
        yield ConfigFault(where=("user_config",), key=key, message=message)


def _cut_passages(user_config: Settings, named: Named, sizes_of: SizesOf) -> Iterator[ConfigFault]:
    """Passages longer than the embedder reads are found by their beginnings alone."""
    embedders = [block.get("user_config") for (_, name), block in named if name == "Embedder"]
    given = [one for one in embedders if isinstance(one, Mapping)]
    most = _reads(given[0], sizes_of) if given else None
    asked = user_config.get("max_chunk_tokens", IngesterConfig.max_chunk_tokens)
    if most is not None and isinstance(asked, int) and asked > most - _MARKS:
        message = f"max_chunk_tokens must be at most {most - _MARKS}, got {asked}: the Embedder "
        message += f"cuts at {most} tokens, the {_MARKS} at both ends included, and tells nobody"
        yield ConfigFault(where=("user_config",), key="max_chunk_tokens", message=message)


def _reads(embedder: Settings, sizes_of: SizesOf) -> int | None:
    given = embedder.get("max_tokens")
    if isinstance(given, int):
        return given
    sizes = _sizes(embedder, sizes_of)
    if sizes is None:
        return _BUNDLED_READS.get(str(embedder.get("model")))
    return min(sizes.context, sizes.reads or sizes.context)
