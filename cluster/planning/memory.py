"""How much memory a replica takes, from the sizes of its model, with the formula in words.

On a CPU it is the resident memory of the process at its largest batch, without Ray's own part; on a
GPU what it takes of the card. Constants were measured with the pinned libraries on Linux.
"""

from dataclasses import dataclass

from cluster.planning.checkpoints import Checkpoint, KnownModel
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
_BATCH_TOKENS = 2048  # of the `transformers` engine where nothing is set; vLLM has as many
# Matrices alive at once in a layer, by the way in which the engine computes attention.
_SCORES_ONNX, _FEED_FORWARD, _HIDDEN = 4, 3, 8
_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}


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
    config: EncoderConfig, shape: KnownModel | None, tokens: int
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


def cache_bytes_a_token(shape: KnownModel, bytes_a_number: int) -> int:
    """Keys and values of one token, all layers together."""
    return 2 * shape.layers * shape.kv_heads * shape.head_dim * bytes_a_number


def generator_memory(
    config: GeneratorConfig,
    engine: TransformersEngineConfig | VllmEngineConfig,
    model: Checkpoint,
    *,
    on_gpu: bool,
) -> Memory:
    """Of a generator: weights, the cache that its requests need, one forward pass.

    An engine that fills its share with cache needs room for one whole context; requests that find
    none wait. With `cache_tokens` the cache is taken at once.
    """
    shape = model.shape
    number = 4 if engine.dtype == "float32" else 2
    weights = model.weight_bytes
    if shape is not None and shape.bits >= 16:
        weights = int(model.parameters * number)
    process = CONTEXT_BYTES if on_gpu else _GENERATOR_PROCESS
    if shape is None:
        return Memory(
            process=process, weights=weights, cache=0, activations=0,
            formula=f"{model.parameters / 1e9:.1f} B by name x 1.2; cache not known",
        )  # fmt: skip
    context = min(config.context_tokens or shape.context, shape.context)
    tokens, batch, mask, half = context, _BATCH_TOKENS, 0, context // 2
    if isinstance(engine, TransformersEngineConfig):
        tokens, half = engine.cache_tokens or context, 0 if engine.cache_tokens else half
        batch = engine.max_batch_tokens or batch
        mask = batch * tokens * 4 if not on_gpu else batch * tokens * number
    each = cache_bytes_a_token(shape, number)
    logits = batch * shape.vocabulary * 4 if isinstance(engine, TransformersEngineConfig) else 0
    passing = batch * (_FEED_FORWARD * shape.intermediate + _HIDDEN * shape.hidden) * number
    return Memory(
        process=process, weights=weights, cache=tokens * each,
        activations=mask + logits + passing, cache_a_request=half * each,
        formula=f"{weights / GB:.2f} GB + {tokens} tokens x {each} B + {batch} tokens at once",
    )  # fmt: skip
