"""The memory of a generator on GPUs, by formulas: there is none to measure on."""

from dataclasses import replace

import pytest

from cluster.planning.checkpoints import Checkpoint
from cluster.planning.memory import CONTEXT_BYTES, generator_memory
from models.checkpoints.sizes import Sizes
from models.engines.transformers_engine import TransformersEngineConfig
from models.engines.vllm_config import VllmEngineConfig
from models.generator import GeneratorConfig

CONFIG = GeneratorConfig(model="/llama", engine="vllm", context_tokens=8192)
SHAPE = Sizes(
    layers=32, heads=32, kv_heads=8, head_dim=128, hidden=4096, intermediate=14336,
    vocabulary=128256, context=8192,
)  # fmt: skip
LLAMA = Checkpoint(
    name="llama", weight_bytes=16 * 10**9, parameters=8e9, is_quantised=False, shape=SHAPE,
    licence=None, source="",
)  # fmt: skip
A_TOKEN = 131072


def memory(model=LLAMA, num_gpus=1, engine=None, **options):
    engine = engine or VllmEngineConfig(options=options)
    return generator_memory(CONFIG, engine, model, on_gpu=True, num_gpus=num_gpus)


def test_weights_of_full_precision_are_loaded_as_the_dtype_and_quantised_ones_as_they_are():
    assert memory().weights == 16e9
    assert memory(engine=VllmEngineConfig(dtype="float32")).weights == 32e9
    packed = replace(LLAMA, is_quantised=True, weight_bytes=5 * 10**9)
    assert memory(packed).weights == 5e9
    assert memory(packed, engine=VllmEngineConfig(dtype="float32")).weights == 5e9


def test_every_gpu_has_a_context_of_cuda():
    assert memory(num_gpus=0.5).process == CONTEXT_BYTES
    assert memory(num_gpus=4).process == 4 * CONTEXT_BYTES
    assert "4 x CUDA" in memory(num_gpus=4).formula


def test_options_of_vllm_count():
    assert memory().cache == 8192 * A_TOKEN
    for kind in ("fp8", "fp8_e5m2", "int8_per_token_head"):
        assert memory(kv_cache_dtype=kind).cache == 4096 * A_TOKEN
    assert memory(kv_cache_dtype="auto").cache == 8192 * A_TOKEN
    assert memory(max_num_batched_tokens=8192).activations == 4 * memory().activations
    assert "8192 tokens at once" in memory(max_num_batched_tokens=8192).formula


def test_gpus_beyond_the_heads_keep_the_same_again():
    assert memory(num_gpus=8).cache == memory().cache
    assert memory(num_gpus=16).cache == 2 * memory().cache
    shared = replace(LLAMA, shape=replace(SHAPE, latent=576))
    assert memory(shared).cache == 8192 * 32 * 576 * 2
    assert memory(shared, num_gpus=2).cache == 2 * memory(shared).cache


def test_windows_save_cache_in_vllm_alone():
    windows = replace(LLAMA, shape=replace(SHAPE, window=1024, window_layers=24))
    assert memory(windows).cache == (8 * 8192 + 24 * 1024) * A_TOKEN / 32
    transformers = TransformersEngineConfig()
    assert memory(windows, engine=transformers).cache == memory(engine=transformers).cache


@pytest.mark.parametrize(("quantised", "expected"), [(True, 5.0), (False, 16.0)])
def test_of_a_name_alone_the_weights_are_known_at_most(quantised, expected):
    named = replace(LLAMA, shape=None, is_quantised=quantised, weight_bytes=5 * 10**9)
    found = memory(named)
    assert found.weights == expected * 1e9
    assert "cache not known" in found.formula
