"""Tokens a second at 1, 8 and 32 streams: figures of this card, none of which is a bound.

The model is made here: a Llama of random weights, as wide as one of a billion parameters, which
costs what a trained one does.
"""

import asyncio
import shutil
import time
from contextlib import aclosing

import pytest
import torch

from tests.gpu.card import HAS_CARD, share_of
from tests.models.engines.held import FULL, load_held, request

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.asyncio(loop_scope="session"),
]
STREAMS = (1, 8, 32)
TOKENS = 128 if HAS_CARD else 8
WIDE = {"hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16}
NARROW = {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2}
OPTIONS = {
    "transformers": {"max_concurrent_requests": 32, "cache_tokens": 32768},
    "vllm": {"max_concurrent_requests": 32},
}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A folder with the tokenizer and the template of the bundled generator."""
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("wide") / "model"
    shutil.copytree(FULL, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    sizes = (WIDE if HAS_CARD else NARROW) | {"head_dim": 64}
    heads = sizes["hidden_size"] // 64
    config = LlamaConfig(
        vocab_size=6144, max_position_embeddings=1024, eos_token_id=1, pad_token_id=0,
        bos_token_id=None, num_attention_heads=heads, num_key_value_heads=heads, **sizes,
    )  # fmt: skip
    torch.manual_seed(0)
    made = LlamaForCausalLM(config)
    made.to(torch.bfloat16 if HAS_CARD else torch.float32).save_pretrained(folder)
    return folder


async def timed(held, seed):
    """Seconds to the first token and to the last, and tokens, of one stream."""
    asked = request(
        f"What is {seed}?", max_tokens=TOKENS, ignore_eos=True, temperature=1.0, seed=seed
    )
    began, first, num = time.perf_counter(), None, 0
    async with aclosing(held.generator.stream(asked)) as chunks:
        async for chunk in chunks:
            first = first or time.perf_counter() - began
            num += len(chunk.token_ids)
    return first, time.perf_counter() - began, num


@pytest.mark.parametrize("kind", ["transformers", "vllm"])
async def test_streams_are_timed(kind, model, tmp_path, figures):
    options = OPTIONS[kind] | {"dtype": "bfloat16" if HAS_CARD else "float32"}
    held = await asyncio.to_thread(
        load_held, kind, tmp_path, model=model, share=share_of(0.5), options=options
    )
    try:
        await asyncio.gather(*(timed(held, seed) for seed in range(32)))  # warm
        for streams in STREAMS:
            began = time.perf_counter()
            told = await asyncio.gather(*(timed(held, seed) for seed in range(streams)))
            rate = sum(num for _, _, num in told) / (time.perf_counter() - began)
            firsts = sorted(first for first, _, _ in told)
            figures(f"{streams}_streams_tokens_per_s", round(rate, 1))
            figures(f"{streams}_streams_first_token_ms", round(1e3 * firsts[len(firsts) // 2], 1))
            assert [num for _, _, num in told] == [TOKENS] * streams
    finally:
        held.generator.close()
