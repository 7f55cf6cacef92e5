"""What is refused of an adapter's files, before an engine sees them."""

import json

import pytest

from models.adapters.files import module_names, read_adapter
from models.errors import InvalidInputError
from models.generator import GeneratorConfig
from tests.models.adapters.made import FULL, make_adapter


def read(folder, max_rank=8):
    return read_adapter("one", folder, modules=module_names(FULL), max_rank=max_rank)


def test_its_digest_is_that_of_its_content(tmp_path):
    digests = [read(make_adapter(tmp_path / name, seed)).digest for name, seed in
               (("a", 1), ("b", 1), ("c", 2))]  # fmt: skip
    assert digests[0] == digests[1] != digests[2]


def missing_weights(folder):
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")


def no_rank(folder):
    (folder / "adapter_config.json").write_text(json.dumps({"lora_alpha": 8}))


def no_json(folder):
    (folder / "adapter_config.json").write_text("{")


def cut_off(folder):
    (folder / "adapter_model.safetensors").write_bytes(b"\xff" * 20)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (missing_weights, "adapter_model.safetensors is missing"),
        (no_rank, "KeyError: 'r'"),
        (no_json, "JSONDecodeError"),
        (cut_off, "more than the file"),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path, spoil, told):
    folder = make_adapter(tmp_path / "one", 1)
    spoil(folder)
    with pytest.raises(InvalidInputError, match=told):
        read(folder)


def test_one_of_another_model_is_refused(tmp_path):
    folder = make_adapter(tmp_path / "one", 1, module="language_model.layers.{}.self_attn.{}")
    with pytest.raises(InvalidInputError, match="this one has no language_model"):
        read(folder)


def test_one_of_too_high_a_rank_is_refused(tmp_path):
    with pytest.raises(InvalidInputError, match="at most 8, got 16"):
        read(make_adapter(tmp_path / "one", 1, rank=16))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"adapters": {"a": "/a"}}, "at most max_adapters, 0, got 1"),
        ({"max_adapters": 1, "adapters": {"a/b": "/a"}}, "got 'a/b'"),
        ({"max_adapters": 1, "max_adapter_rank": 7}, "one of .* got 7"),
        ({"max_adapters": 1, "engine": "transformers"}, "needs the vllm engine"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, told):
    with pytest.raises(InvalidInputError, match=told):
        GeneratorConfig(**{"model": "bundled:generator", "engine": "vllm"} | settings)
