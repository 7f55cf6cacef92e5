"""Identities are equal on two machines that serve the same thing, and differ otherwise."""

import json
import shutil
from dataclasses import replace

import pytest

from models import generator
from models.bundled.prepare import BUNDLED
from models.device import Share
from models.engines.loading import computing_of
from models.engines.vllm_config import SAME_NUMBERS, option_names
from models.errors import InvalidInputError, ModelChangedError
from models.generator import GeneratorConfig
from models.identity import ModelIdentity, hash_computing, hash_model, hash_template
from tests.models.engines.fake_engine import FakeEngine
from tests.models.engines.held import request

IDENTITY = ModelIdentity(model="bundled:generator", source="s", template="t", engine="vllm")


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(BUNDLED / "generator-full", tmp_path / "here")


def test_a_copy_under_another_name_has_the_same_hash(folder, tmp_path):
    there = shutil.copytree(folder, tmp_path / "there")
    (there / "README.md").write_text("Copied.")
    (there / "model.safetensors").touch()
    assert hash_model(there) == hash_model(folder)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "chat_template.jinja"])
def test_a_changed_small_file_changes_the_hash(folder, name):
    before = hash_model(folder)
    path = folder / name
    path.write_text(path.read_text() + " ")
    assert hash_model(folder) != before


@pytest.mark.parametrize("place", [0.0, 0.3, 0.6, 1.0])
def test_other_values_of_a_tensor_change_the_hash(folder, place):
    before = hash_model(folder)
    path = folder / "model.safetensors"
    weights = bytearray(path.read_bytes())
    start = 8 + int.from_bytes(weights[:8], "little")
    at = start + int(place * (len(weights) - start - 65536))
    weights[at : at + 65536] = bytes(65536)
    path.write_bytes(weights)
    assert hash_model(folder) != before


def test_another_name_of_a_tensor_changes_the_hash(folder):
    before = hash_model(folder)
    path = folder / "model.safetensors"
    weights = path.read_bytes()
    assert b"layers.1" in weights
    path.write_bytes(weights.replace(b"layers.1", b"layers.7"))
    assert hash_model(folder) != before


def test_the_digest_has_16_digits_and_leaves_the_folders_name_out():
    assert len(IDENTITY.digest) == 16
    assert replace(IDENTITY, model="/mnt/generator").digest == IDENTITY.digest


@pytest.mark.parametrize("field", ["source", "template", "engine", "adapter", "computing"])
def test_the_digest_differs_with_what_decides_the_answer(field):
    assert replace(IDENTITY, **{field: "other"}).digest != IDENTITY.digest


def test_the_options_of_a_chat_template_count():
    hashes = {hash_template("{{ x }}", options) for options in ({}, {"enable_thinking": False})}
    assert len(hashes) == 2
    assert hash_template(json.loads('{"a": "1", "b": "2"}'), {}) == hash_template(
        {"b": "2", "a": "1"}, {}
    )


def hash_of(engine="vllm", *, num_gpus=1.0, context_tokens=4096, **options):
    share = Share(num_gpus=num_gpus)
    return hash_computing(computing_of(engine, options, context_tokens=context_tokens, share=share))


PLAIN = {"vllm": hash_of(), "transformers": hash_of("transformers")}


@pytest.mark.parametrize(
    "options",
    [
        {"quantization": "fp8"},
        {"kv_cache_dtype": "fp8"},
        {"hf_overrides": {"rope_parameters": {"rope_type": "yarn"}}},
        {"load_format": "dummy"},
        {"attention_backend": "FLASHINFER"},
        {"enforce_eager": True},
        {"generation_config": "vllm"},
        {"quantization": "fp8", "max_num_batched_tokens": 512},
    ],
)
def test_an_option_of_vllm_that_changes_logits_counts(options):
    assert hash_of(options=options) != PLAIN["vllm"]


def test_every_option_of_vllm_counts_but_those_that_are_listed():
    for name in option_names():
        counts = hash_of(options={name: {"method": "x"}}) != PLAIN["vllm"]
        assert counts == (name not in SAME_NUMBERS), name


def test_the_list_of_options_that_change_nothing_has_names_of_vllm_alone():
    assert option_names() >= SAME_NUMBERS
    assert not SAME_NUMBERS & {"quantization", "kv_cache_dtype", "hf_overrides", "load_format"}


@pytest.mark.parametrize(
    "changed",
    [
        {"dtype": "float16"},
        {"batch_invariant": True},
        {"num_gpus": 2.0},
        {"num_gpus": 0.0},
        {"context_tokens": 8192},
    ],
)
def test_what_else_of_vllm_changes_numbers_counts(changed):
    assert hash_of(**changed) != PLAIN["vllm"]


@pytest.mark.parametrize(
    ("engine", "same"),
    [
        ("vllm", {"max_concurrent_requests": 8, "gpu_memory_utilization": 0.5}),
        ("vllm", {"options": {"enable_prefix_caching": False, "max_num_batched_tokens": 512}}),
        ("vllm", {"num_gpus": 0.5}),
        ("transformers", {"max_concurrent_requests": 4, "cache_tokens": 9000, "page_tokens": 16}),
        ("transformers", {"max_batch_tokens": 64, "context_tokens": 8192}),
    ],
)
def test_what_only_says_when_something_is_computed_does_not_count(engine, same):
    assert hash_of(engine, **same) == PLAIN[engine]


@pytest.mark.parametrize("changed", [{"dtype": "float32"}, {"num_gpus": 0.0}])
def test_what_changes_numbers_of_transformers_counts(changed):
    assert hash_of("transformers", **changed) != PLAIN["transformers"]


def test_the_order_of_options_does_not_count_at_any_depth():
    one = {"quantization": "fp8", "hf_overrides": {"a": 1, "b": {"c": 2, "d": 3}}}
    other = {"hf_overrides": {"b": {"d": 3, "c": 2}, "a": 1}, "quantization": "fp8"}
    assert list(one) != list(other)
    assert hash_of(options=one) == hash_of(options=other)


def test_an_unknown_setting_of_an_engine_is_refused_before_it_counts():
    with pytest.raises(InvalidInputError, match="cache_token"):
        hash_of("transformers", cache_token=3)


def loaded(monkeypatch, cache, **engine_options):
    monkeypatch.setattr(
        generator, "load_engine", lambda *_args, **_kwargs: FakeEngine(6144, end_id=1)
    )
    config = GeneratorConfig(
        model=str(BUNDLED / "generator-full"), engine="vllm", engine_options=engine_options,
    )  # fmt: skip
    return generator.Generator(config, cache=cache, share=Share(num_cpus=2.0))


async def test_an_answer_goes_on_only_where_its_numbers_are_computed_alike(monkeypatch, tmp_path):
    here = loaded(monkeypatch, tmp_path, options={"quantization": "fp8"})
    alike = loaded(
        monkeypatch, tmp_path, max_concurrent_requests=8,
        options={"enable_prefix_caching": False, "quantization": "fp8"},
    )  # fmt: skip
    other = loaded(monkeypatch, tmp_path, options={"kv_cache_dtype": "fp8"})
    asked = request("Which port?", max_tokens=20, temperature=1.0, seed=3)
    chunks = [chunk async for chunk in here.stream(asked)]
    whole = [token for chunk in chunks for token in chunk.token_ids]
    rest = replace(asked, delivered_token_ids=tuple(whole[:5]), identity=chunks[0].identity)
    assert whole[5:] == [token async for chunk in alike.stream(rest) for token in chunk.token_ids]
    with pytest.raises(ModelChangedError, match=chunks[0].identity):
        await other.prepare(rest)
