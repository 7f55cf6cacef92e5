"""A GPTQ checkpoint made here: by Marlin in vLLM, by GPTQModel in the transformers engine."""

import asyncio

import pytest

from models.quantization.calibration import default_texts
from models.quantization.job import quantize
from models.quantization.settings import QuantizationSettings
from tests.gpu.card import DEVICE, HAS_CARD, free_and_total, share_of
from tests.models.engines.held import FULL, load_held, request, write

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.filterwarnings("ignore"),  # GPTQModel, torchao and vLLM warn at import
    pytest.mark.asyncio(loop_scope="session"),
]
QUESTIONS = [f"{word} port?" for word in ("Which", "What", "Why that", "Where is the", "Whose")]
# What vLLM would rather take on newer cards.
OTHERS = "CutlassW4A8LinearKernel,MacheteLinearKernel,AllSparkLinearKernel,HummingLinearKernel"
SHARE = 0.3


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A folder: the bundled generator in full precision, quantised on the card."""
    settings = QuantizationSettings(
        group_size=64, num_samples=16, sample_tokens=64, device=DEVICE
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("gptq") / "made"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GPTQMODEL_CPU_WORKERS", "2")
        quantize(FULL, folder, settings, texts=default_texts, source="bundled", verify=False)
    return folder


@pytest.fixture(scope="module")
def by_gptqmodel(checkpoint, tmp_path_factory):
    options = {"max_concurrent_requests": 8, "cache_tokens": 8192}
    held = load_held(
        "transformers", tmp_path_factory.mktemp("cache"), model=checkpoint, share=share_of(0.1),
        options=options | {"dtype": "float16" if HAS_CARD else "float32"},
    )  # fmt: skip
    yield held
    held.generator.close()


@pytest.fixture(scope="module")
def by_vllm(checkpoint, tmp_path_factory):
    """The engine, and the bytes of the card that it took."""
    options = {"worker_extension_cls": "tests.gpu.kernels.Kernels", "enforce_eager": True}
    free, _ = free_and_total() if HAS_CARD else (0, 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VLLM_DISABLED_KERNELS", OTHERS)
        held = load_held(
            "vllm", tmp_path_factory.mktemp("cache"), model=checkpoint, share=share_of(SHARE),
            options={"dtype": "float16" if HAS_CARD else "bfloat16", "options": options},
        )  # fmt: skip
    held.taken_bytes = free - free_and_total()[0] if HAS_CARD else 0
    yield held
    held.generator.close()


async def answers(held):
    asked = [request(question, max_tokens=24) for question in QUESTIONS]
    return await asyncio.gather(*(write(held, one) for one in asked))


async def test_the_weights_are_what_gptqmodel_has_packed(by_gptqmodel, figures):
    model = by_gptqmodel.engine._manager.model
    packed = {type(one).__name__ for one in model.modules() if hasattr(one, "qweight")}
    figures("kernels_of_gptqmodel", sorted(packed))
    assert packed
    assert next(model.parameters()).device.type == DEVICE
    assert all(await answers(by_gptqmodel))


async def test_vllm_multiplies_by_marlin(by_vllm, figures):
    (kernels,) = await by_vllm.engine._engine.collective_rpc("linear_kernels")
    figures("kernels_of_vllm", kernels)
    assert kernels == (["MarlinLinearKernel"] if HAS_CARD else ["CPUWNA16LinearKernel"])
    assert all(await answers(by_vllm))


async def test_vllm_takes_its_share_of_the_card_and_no_more(by_vllm, figures):
    if not HAS_CARD:
        pytest.skip("only a card shows it")
    _, total = free_and_total()
    figures("taken_of_card", round(by_vllm.taken_bytes / total, 3))
    figures("share", SHARE)
    # The cache fills what weights and CUDA itself leave.
    assert 0.7 * SHARE * total < by_vllm.taken_bytes <= (SHARE + 0.02) * total


async def test_both_write_nearly_the_same(by_gptqmodel, by_vllm, figures):
    pairs = list(zip(await answers(by_gptqmodel), await answers(by_vllm), strict=True))
    same = sum(one == other for one, other in pairs)
    figures("same_answers", f"{same} of {len(pairs)}")
    assert same >= len(pairs) / 2  # rounding may part two of which one token is nearly as likely


async def test_an_answer_goes_on_from_what_was_delivered(by_vllm, figures):
    whole = await write(by_vllm, request("Which port?", max_tokens=24, temperature=1.0, seed=3))
    parted = []
    for cut in range(1, len(whole)):
        asked = request(
            "Which port?", max_tokens=24, temperature=1.0, seed=3, delivered=whole[:cut]
        )  # fmt: skip
        if whole[:cut] + await write(by_vllm, asked) != whole:
            parted.append(cut)
    figures("parted_at", parted)
    assert len(whole) > 5
    assert len(parted) <= len(whole) / 4  # half precision: near ties, one kernel a batch size
