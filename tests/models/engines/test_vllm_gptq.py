"""GPTQ on vLLM's CPU build, whose kernel wants AVX-512; on a GPU it is Marlin (`make test-gpu`)."""

import json
import shutil
from contextlib import aclosing
from pathlib import Path

import pytest

from models.device import Share
from models.generation import GenerationRequest, Message, Sampling
from models.generator import Generator, GeneratorConfig
from tests.ray_environment import ROOT

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.filterwarnings("ignore"),  # gptqmodel, torchao and vLLM warn at import
    pytest.mark.skipif(
        "avx512f" not in Path("/proc/cpuinfo").read_text(),
        reason="vLLM has its GPTQ kernel where there is AVX-512",
    ),
]

NUM_TOKENS = 24
QUESTIONS = ("How large may a file be?", "What does a cluster need?", "Where is the log?")


@pytest.fixture(scope="module")
def auto_gptq(tmp_path_factory):
    """The bundled weights as auto-gptq 0.7.1 lays them out, which tells the format elsewhere."""
    folder = tmp_path_factory.mktemp("gptq") / "model"
    shutil.copytree(ROOT / "models" / "bundled" / "generator", folder)
    (folder / "model.safetensors").rename(folder / "gptq_model-4bit-64g.safetensors")
    config = json.loads((folder / "config.json").read_text())
    told = config.pop("quantization_config")
    (folder / "config.json").write_text(json.dumps(config))
    kept = {name: told[name] for name in ("bits", "group_size", "desc_act", "sym")}
    (folder / "quantize_config.json").write_text(json.dumps(kept | {"is_marlin_format": False}))
    return folder


async def told(model, engine, cache):
    """The first tokens of answers with their probabilities, and the answers' texts."""
    options = {"dtype": "bfloat16" if engine == "vllm" else "float32"}
    if engine == "vllm":
        options["options"] = {"enforce_eager": True}
    config = GeneratorConfig(model=str(model), engine=engine, engine_options=options)
    generator = Generator(config, cache=cache, share=Share(num_cpus=2.0))
    firsts, texts = [], []
    try:
        await generator.warm_up()
        for question in QUESTIONS:
            asked = GenerationRequest(
                request_id=question,
                messages=(Message(role="user", content=question),),
                sampling=Sampling(max_tokens=NUM_TOKENS, temperature=0.0, top_logprobs=3),
            )
            async with aclosing(generator.stream(asked)) as chunks:
                written = [chunk async for chunk in chunks]
            tokens = [token for chunk in written for token in chunk.tokens]
            firsts.append((tokens[0].raw, tokens[0].logprob))
            texts.append("".join(chunk.text for chunk in written))
    finally:
        generator.close()
    return firsts, texts


@pytest.fixture(scope="module", autouse=True)
def has_vllm():
    pytest.importorskip("vllm", reason="make test-vllm installs it")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GPTQMODEL_CPU_WORKERS", "2")
        yield


async def test_checkpoints_are_decoded_as_by_gptqmodel(auto_gptq, tmp_path):
    exact, expected = await told("bundled:generator", "transformers", tmp_path)
    firsts, texts = await told("bundled:generator", "vllm", tmp_path)
    for (raw, logprob), (exact_raw, exact_logprob) in zip(firsts, exact, strict=True):
        assert raw == exact_raw
        assert logprob == pytest.approx(exact_logprob, abs=0.1)  # bfloat16 beside float32
    assert sum(map(str.__eq__, texts, expected)) >= 2, (texts, expected)  # near ties may part
    assert (firsts, texts) == await told(auto_gptq, "vllm", tmp_path)
