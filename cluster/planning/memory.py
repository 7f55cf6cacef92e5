"""How much memory a replica takes, from the sizes of its model, with the formula in words.

On a CPU it is the resident memory of the process at its largest batch, without Ray's own part; on a
GPU what it takes of the card. Constants were measured with the pinned libraries on Linux.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

from cluster.planning.checkpoints import Checkpoint
from models.checkpoints.sizes import Sizes
from models.embedder import EmbedderConfig
from models.encoders.encoder import EncoderConfig
from models.engines.transformers_engine import TransformersEngineConfig
from models.engines.vllm_config import VllmEngineConfig
from models.generator import GeneratorConfig

MB, GB = 10**6, 10**9
CONTEXT_BYTES = 512 * 2**20  # of CUDA, as models/device.py reserves it
# Resident after the imports of a replica, before a model is loaded.
_ONNX_PROCESS, _TORCH_PROCESS, _SENTENCES_PROCESS, _GENERATOR_PROCESS = (
    265 * MB, 530 * MB, 620 * MB, 720 * MB,
)  # fmt: skip
PROCESS_BYTES = 250 * MB  # of a replica without a model of its own, or with one on a GPU
_BATCH_TOKENS = 2048  # of both engines where nothing is set
# Matrices alive at once in a layer, by the way in which the engine computes attention.
_SCORES_ONNX, _FEED_FORWARD, _HIDDEN = 4, 3, 8
_EIGHT_BITS = ("fp8", "int8")  # begin the names of vLLM's types of a cache with a byte a number


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What one replica takes, in bytes.

    Attributes:
        process: of libraries; on a GPU, of CUDA.
        weights: as they are loaded.
        cache: keys and values of all requests, or kept states.
        activations: of the largest batch.
        formula: how the parts were computed.
        cache_a_request: what one more request adds at half of the context, where the engine fills
            what is left of its share with cache; 0: it does not.
    """

    process: int
    weights: int
    cache: int
    activations: int
    formula: str
    cache_a_request: int = 0

    @property
    def total(self) -> int:
        """All together."""
        return self.process + self.weights + self.cache + self.activations


def encoder_memory(config: EncoderConfig, model: Checkpoint, *, on_gpu: bool) -> Memory:
    """Of an embedder, a reranker or a safety classifier; further models are counted by themselves.

    Args:
        config: its settings.
        model: what it is made of.
        on_gpu: whether it has a share of one.
    """
    weights = int(model.parameters * 4)
    shape = model.shape
    tokens = min(config.max_tokens or 512, shape.context if shape else 512)
    sentences = isinstance(config, EmbedderConfig)
    process = _SENTENCES_PROCESS if sentences else _TORCH_PROCESS
    if on_gpu:
        process = CONTEXT_BYTES
    elif config.engine == "onnx":
        process = _ONNX_PROCESS
    activations, words = _encoder_activations(config, shape, tokens)
    kept = getattr(config, "kept_states_mb", 0) * MB if config.engine == "onnx" else 0
    return Memory(
        process=process, weights=weights, cache=kept, activations=activations,
        formula=f"{model.parameters / 1e6:.0f} M x 4 B + {words}",
    )  # fmt: skip


def _encoder_activations(
    config: EncoderConfig, shape: Sizes | None, tokens: int
) -> tuple[int, str]:
    if shape is None:
        return 0, "activations not known"
    rows = config.batch_size * tokens
    wide, hidden = rows * shape.intermediate * 4, rows * shape.hidden * 4
    size = f"{config.batch_size} x {tokens} tokens"
    if config.engine == "onnx":
        scores = config.batch_size * shape.heads * tokens * tokens * 4
        total = _SCORES_ONNX * scores + _FEED_FORWARD * wide
        return total, f"{size} x 4 B x (4 x {shape.heads} x {tokens} + 3 x {shape.intermediate})"
    total = _FEED_FORWARD * wide + _HIDDEN * hidden
    return total, f"{size} x 4 B x (3 x {shape.intermediate} + 8 x {shape.hidden})"


def cache_bytes(shape: Sizes, tokens: int, bytes_a_number: int, num_gpus: int = 1) -> int:
    """Keys and values of one text, all layers and GPUs together.

    GPUs share the heads out; where there are fewer heads than GPUs, several keep the same.
    """
    heads = 1 if shape.latent else shape.kv_heads
    copies = max(1, num_gpus // heads)
    return copies * shape.cached_layer_tokens(tokens) * shape.cached_numbers * bytes_a_number


def generator_memory(
    config: GeneratorConfig,
    engine: TransformersEngineConfig | VllmEngineConfig,
    model: Checkpoint,
    *,
    on_gpu: bool,
    num_gpus: float = 1.0,
) -> Memory:
    """Of a generator: weights, the cache that its requests need, one forward pass.

    An engine that fills its share with cache needs room for one whole context; requests that find
    none wait. With `cache_tokens` the cache is taken at once.

    Args:
        config: its settings.
        engine: those of its engine.
        model: what it is made of.
        on_gpu: whether it has a share of one.
        num_gpus: that share; each GPU has a CUDA context.
    """
    shape, gpus = model.shape, max(1, ceil(num_gpus)) if on_gpu else 1
    number = 4 if engine.dtype == "float32" else 2
    weights = model.weight_bytes if model.is_quantised else int(model.parameters * number)
    process = CONTEXT_BYTES * gpus if on_gpu else _GENERATOR_PROCESS
    if shape is None:
        weights = max(weights, model.weight_bytes)  # of a name alone, with what it may have more
        return Memory(
            process=process, weights=weights, cache=0, activations=0,
            formula=f"{model.parameters / 1e9:.1f} B, {weights / GB:.2f} GB; cache not known",
        )  # fmt: skip
    tokens = min(config.context_tokens or shape.context, shape.context)
    half, kept = tokens // 2, number
    if isinstance(engine, TransformersEngineConfig):
        tokens, half = engine.cache_tokens or tokens, 0 if engine.cache_tokens else half
        # It keeps every token at every layer, and a key and a value of every head.
        shape = replace(shape, latent=None, window=None, window_layers=0)
    else:
        kept = _cache_number(engine.options, number)
    cache = cache_bytes(shape, tokens, kept, gpus)
    activations, batch = _generator_activations(shape, engine, tokens, number, on_gpu=on_gpu)
    return Memory(
        process=process, weights=weights, cache=cache, activations=activations,
        cache_a_request=cache_bytes(shape, half, kept, gpus),
        formula=f"{weights / GB:.2f} GB + {tokens} tokens x {cache // tokens} B + {batch} tokens "
        f"at once{f', {gpus} x CUDA' if gpus > 1 else ''}",
    )  # fmt: skip


def _generator_activations(
    shape: Sizes,
    engine: TransformersEngineConfig | VllmEngineConfig,
    tokens: int,
    number: int,
    *,
    on_gpu: bool,
) -> tuple[int, int]:
    """Bytes of one forward pass, and the tokens in it."""
    if isinstance(engine, TransformersEngineConfig):
        batch = engine.max_batch_tokens or _BATCH_TOKENS
        mask = batch * tokens * (number if on_gpu else 4)
        more = mask + batch * shape.vocabulary * 4
    else:
        given = engine.options.get("max_num_batched_tokens")
        batch, more = given if isinstance(given, int) else _BATCH_TOKENS, 0
    passing = batch * (_FEED_FORWARD * shape.intermediate + _HIDDEN * shape.hidden) * number
    return passing + more, batch


def _cache_number(options: Mapping[str, Any], number: int) -> int:
    """Bytes of a number in vLLM's cache; what has fewer than 8 bits counts as a byte."""
    told = str(options.get("kv_cache_dtype", "auto"))
    if told in ("float16", "bfloat16"):
        return 2
    return number if told == "auto" or not told.startswith(_EIGHT_BITS) else 1
