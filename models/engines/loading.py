"""Which engine a name stands for. An engine's libraries are imported when it is chosen only."""

from collections.abc import Mapping
from dataclasses import fields
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from models.adapters.held import AdapterRoom
from models.device import Share, as_served
from models.errors import check_names
from models.generation import GenerationEngine

if TYPE_CHECKING:
    from models.engines.transformers_engine import TransformersEngineConfig
    from models.engines.vllm_config import VllmEngineConfig

EngineName = Literal["transformers", "vllm"]
_Config = TypeVar("_Config", "TransformersEngineConfig", "VllmEngineConfig")


def load_engine(
    name: EngineName,
    options: Mapping[str, Any],
    folder: Path,
    *,
    context_tokens: int,
    share: Share,
    adapters: AdapterRoom | None = None,
) -> GenerationEngine:
    """Loads a model into an engine.

    Args:
        name: which engine.
        options: fields of its configuration.
        folder: the checkpoint.
        context_tokens: most tokens of prompt and answer together.
        share: what of the machine the engine may use.
        adapters: how many there has to be room for; `vllm` alone serves them.

    Raises:
        InvalidInputError: an option is unknown or outside its limits.
    """
    if name == "vllm":
        from models.engines.vllm_engine import VllmEngine

        return VllmEngine(
            folder, _vllm_config(options), context_tokens=context_tokens, share=share,
            adapters=adapters,
        )  # fmt: skip
    from models.engines.transformers_engine import TransformersEngine

    config = _transformers_config(options)
    return TransformersEngine(folder, config, context_tokens=context_tokens, share=share)


def computing_of(
    name: EngineName, options: Mapping[str, Any], *, context_tokens: int, share: Share
) -> dict[str, object]:
    """Gives what changes the numbers of an answer; arguments and errors as of `load_engine`.

    Two replicas that differ in it must not go on with each other's answers: sums are rounded
    otherwise on a CPU, and where a model is split; some rotary embeddings of vLLM go by the longest
    context.
    """
    split = {"num_gpus": ceil(as_served(share).num_gpus)}
    if name == "vllm":
        return _vllm_config(options).computing | split | {"context_tokens": context_tokens}
    return _transformers_config(options).computing | split


def _vllm_config(options: Mapping[str, Any]) -> "VllmEngineConfig":
    from models.engines.vllm_config import VllmEngineConfig

    return _parse(VllmEngineConfig, options)


def _transformers_config(options: Mapping[str, Any]) -> "TransformersEngineConfig":
    from models.engines.transformers_engine import TransformersEngineConfig

    return _parse(TransformersEngineConfig, options)


def _parse(config_class: type[_Config], options: Mapping[str, Any]) -> _Config:
    check_names("engine_options", options, [one.name for one in fields(config_class)])
    return config_class(**options)
