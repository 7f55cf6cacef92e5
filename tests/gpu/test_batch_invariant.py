"""vLLM's batch-invariant mode: in half precision too, a batch writes what each writes alone."""

import asyncio

import pytest
import torch

from tests.gpu.card import HAS_CARD, needs_card, share_of
from tests.models.engines.held import load_held, request, write

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.asyncio(loop_scope="session"),
    needs_card,
    pytest.mark.skipif(
        HAS_CARD and torch.cuda.get_device_capability()[0] < 9,
        reason="vLLM has these kernels for Hopper and newer cards",
    ),
]


@pytest.fixture(scope="module")
def held(tmp_path_factory):
    made = load_held(
        "vllm", tmp_path_factory.mktemp("cache"), share=share_of(0.2),
        options={
            "dtype": "bfloat16", "batch_invariant": True, "max_concurrent_requests": 32,
            "options": {"enforce_eager": True},
        },
    )  # fmt: skip
    yield made
    made.generator.close()


@pytest.mark.parametrize("sampling", [{}, {"temperature": 2.0}])
async def test_a_batch_writes_what_each_writes_alone(held, sampling, figures):
    asked = [
        request(f"What of {number}?", max_tokens=48, seed=number, **sampling)
        for number in range(32)
    ]
    alone = [await write(held, one) for one in asked]
    together = await asyncio.gather(*(write(held, one) for one in asked))
    figures("answers_that_differ", sum(a != b for a, b in zip(alone, together, strict=True)))
    assert together == alone
    assert max(map(len, alone)) > 5


async def test_an_answer_goes_on_exactly_from_every_position(held, figures):
    asked = {"max_tokens": 40, "temperature": 2.0, "seed": 7}
    whole = await write(held, request("Tell me all.", **asked))
    cuts = range(1, len(whole))
    rests = [request("Tell me all.", delivered=whole[:cut], **asked) for cut in cuts]
    got = await asyncio.gather(*(write(held, one) for one in rests))
    parted = [cut for cut in cuts if whole[:cut] + got[cut - 1] != whole]
    figures("parted_at", parted)
    assert parted == []
    assert len(whole) > 5
