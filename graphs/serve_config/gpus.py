"""Whether a deployment's share of the GPUs is one that its model can use."""

from collections.abc import Iterator, Mapping
from typing import Any

from deployments.user_config import ConfigFault
from models.encoders.encoder import EncoderConfig
from models.generator import GeneratorConfig


def gpu_faults(
    kind: type[Any], block: Mapping[str, Any], user_config: Mapping[str, Any]
) -> Iterator[ConfigFault]:
    """Finds a share that would stand idle, or that the engine cannot be spread over.

    What replicas on one card ask for together is at most 1: Ray places no more there.
    """
    options = block.get("ray_actor_options")
    num_gpus = options.get("num_gpus") if isinstance(options, Mapping) else None
    if not isinstance(num_gpus, int | float) or num_gpus <= 0:
        return
    message = _fault(kind, float(num_gpus), user_config)
    if message is not None:
        yield ConfigFault(where=("ray_actor_options",), key="num_gpus", message=message)


def _fault(kind: type[Any], num_gpus: float, user_config: Mapping[str, Any]) -> str | None:
    if num_gpus > 1 and not num_gpus.is_integer():
        return f"num_gpus must be at most 1 or a whole number, got {num_gpus:g}"
    if user_config.get("allow_cpu") is True:  # logical GPUs, as tests of placement have them
        return None
    if issubclass(kind, EncoderConfig):
        if user_config.get("engine", EncoderConfig.engine) == "onnx":
            return f"num_gpus must be 0 for `engine: onnx`, which runs on a CPU, got {num_gpus:g}"
        if num_gpus > 1:
            return f"num_gpus must be at most 1: an encoder uses one GPU, got {num_gpus:g}"
    if issubclass(kind, GeneratorConfig) and num_gpus > 1:
        engine = user_config.get("engine", GeneratorConfig.engine)
        if engine == "transformers":
            return (
                "num_gpus must be at most 1 for `engine: transformers`, vllm uses several, "
                f"got {num_gpus:g}"
            )
    return None
