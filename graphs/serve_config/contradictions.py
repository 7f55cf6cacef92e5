"""Settings that are right by themselves and make no sense together: of one block, and of two."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from deployments.user_config import ConfigFault, Place
from models.engines.transformers_engine import TransformersEngineConfig
from models.engines.vllm_config import VllmEngineConfig
from models.generator import GeneratorConfig

_ENGINES: dict[str, type[TransformersEngineConfig] | type[VllmEngineConfig]] = {
    "transformers": TransformersEngineConfig,
    "vllm": VllmEngineConfig,
}
_ENGLISH = "bundled:embedder"  # knows no other language
_PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
_GGUF = (".gguf", "-gguf")  # a file, or a hub repository as those who make them call it

Settings = Mapping[str, Any]
Named = Sequence[tuple[tuple[Place, str], Settings]]  # place and name, and the block


def contradictions(
    kind: type[Any], block: Settings, user_config: Settings
) -> Iterator[ConfigFault]:
    """Finds what contradicts what, in a block whose keys and types are right.

    Args:
        kind: the class of its settings.
        block: all of it.
        user_config: its settings.
    """
    yield from _queue_faults(block)
    yield from _pickled_faults(user_config)
    if issubclass(kind, GeneratorConfig):
        yield from _generator_faults(block, user_config)


def language_faults(named: Named) -> Iterator[ConfigFault]:
    """Finds a Gateway that compares languages by an embedder that knows one.

    Args:
        named: the blocks of the application.
    """
    models = {name: _under(block, "user_config").get("model") for (_, name), block in named}
    for (place, name), block in named:
        cosine = _under(_under(block, "user_config"), "retrieval").get("foreign_cosine")
        if name == "Gateway" and cosine is not None and models.get("Embedder") == _ENGLISH:
            message = f"foreign_cosine needs a multilingual embedder, got {cosine} with {_ENGLISH}"
            where = (*place, "user_config", "retrieval")
            yield ConfigFault(where=where, key="foreign_cosine", message=message)


def speculation_faults(named: Named) -> Iterator[ConfigFault]:
    """Finds generators that speculate where their answers are held to a form, or have adapters.

    Args:
        named: the blocks of the application.
    """
    settings = {name: _under(block, "user_config") for (_, name), block in named}
    quotes = settings.get("Gateway", {}).get("answers") == "quote"
    for (place, name), block in named:
        own = _under(block, "user_config")
        options = _under(_under(own, "engine_options"), "options")
        if not name.startswith("Generator") or options.get("speculative_config") is None:
            continue
        message = "speculative_config in options leaves out the logits processor that "
        if quotes:
            said = message + "`answers: quote` holds answers by; set `answers: free`"
            yield ConfigFault(where=(*place, "user_config"), key="engine_options", message=said)
        if own.get("max_adapters"):
            said = message + "keeps adapters apart; take out max_adapters or it"
            yield ConfigFault(where=(*place, "user_config"), key="max_adapters", message=said)


def _under(settings: Settings, key: str) -> Settings:
    given = settings.get(key)
    return given if isinstance(given, Mapping) else {}


def _queue_faults(block: Settings) -> Iterator[ConfigFault]:
    queued = block.get("max_queued_requests", -1)
    if isinstance(queued, int) and queued < 0:
        message = f"max_queued_requests must be set, got {queued}: a queue without a limit grows"
        message += " until memory ends; try 4 times max_ongoing_requests"
        yield ConfigFault(where=(), key="max_queued_requests", message=message)
    scaling = block.get("autoscaling_config")
    target = scaling.get("target_ongoing_requests") if isinstance(scaling, Mapping) else None
    most = block.get("max_ongoing_requests")
    if _above(target, most):
        message = f"target_ongoing_requests must be at most max_ongoing_requests ({most}), got "
        message += f"{target:g}: a replica never has so many"
        where = ("autoscaling_config",)
        yield ConfigFault(where=where, key="target_ongoing_requests", message=message)


def _generator_faults(block: Settings, user_config: Settings) -> Iterator[ConfigFault]:
    options = user_config.get("engine_options", {})
    engine = user_config.get("engine", GeneratorConfig.engine)
    if not isinstance(options, Mapping) or engine not in _ENGINES:
        return  # told by the checks of types
    yield from _slot_faults(engine, block, options)
    context = user_config.get("context_tokens")
    answer = user_config.get("max_answer_tokens", GeneratorConfig.max_answer_tokens)
    if _above(answer, context) or answer == context:
        message = f"max_answer_tokens must be below context_tokens ({context}), got {answer}: "
        yield ConfigFault(
            where=("user_config",), key="max_answer_tokens", message=message + "no prompt would fit"
        )
    cache = options.get("cache_tokens")
    if _above(context, cache):
        message = f"cache_tokens must hold one context of {context} tokens, got {cache}"
        where = ("user_config", "engine_options")
        yield ConfigFault(where=where, key="cache_tokens", message=message)
    actor = block.get("ray_actor_options")
    num_gpus = actor.get("num_gpus", 0) if isinstance(actor, Mapping) else 0
    if engine == "vllm" and num_gpus == 0 and user_config.get("allow_cpu") is not True:
        message = "`engine: vllm` needs num_gpus in ray_actor_options, got 0; for vLLM's CPU build "
        message += "set allow_cpu: true, for a CPU take `engine: transformers`"
        yield ConfigFault(where=("user_config",), key="engine", message=message)


def _slot_faults(engine: str, block: Settings, options: Settings) -> Iterator[ConfigFault]:
    slots = options.get("max_concurrent_requests", _ENGINES[engine].max_concurrent_requests)
    most = block.get("max_ongoing_requests")
    if _above(slots, most) or _above(most, slots):
        message = f"max_ongoing_requests must be max_concurrent_requests ({slots}), got {most}: "
        reason = "requests would wait in a replica that has no slot"
        if _above(slots, most):
            reason = "slots of the engine would stay empty"
        yield ConfigFault(where=(), key="max_ongoing_requests", message=message + reason)


def _pickled_faults(user_config: Settings) -> Iterator[ConfigFault]:
    """Weights that run code when they are read; files that are not here are judged by name."""
    model = user_config.get("model")
    if not isinstance(model, str) or model.startswith("bundled:"):
        return
    message = None
    if model.lower().endswith(_GGUF) or _has_only(Path(model), (".gguf",)):
        message = f"model must have .safetensors, GGUF is not served ({model!r}): take the "
        message += "checkpoint that it was made of, or a GPTQ one"
        yield ConfigFault(where=("user_config",), key="model", message=message)
        return
    if model.endswith(_PICKLED):
        message = "model must be a folder with .safetensors, got a pickled file"
    elif _has_only(Path(model), _PICKLED):
        message = "model must have .safetensors, this folder has pickled weights alone"
    if message is not None:
        message += f" ({model!r}); convert it with `save_pretrained(..., safe_serialization=True)`"
        yield ConfigFault(where=("user_config",), key="model", message=message)


def _has_only(folder: Path, kinds: Sequence[str]) -> bool:
    """Whether a folder is there and has weights of these kinds, and none that are served."""
    try:
        suffixes = {path.suffix for path in folder.iterdir()}
    except (OSError, ValueError):  # or what is named is no path
        return False
    return ".safetensors" not in suffixes and bool(suffixes & set(kinds))


def _above(value: object, limit: object) -> bool:
    """Whether both are numbers, and the first is the larger one."""
    return isinstance(value, int | float) and isinstance(limit, int | float) and value > limit
