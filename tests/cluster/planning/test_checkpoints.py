"""What a model is made of: its files, the table, its name."""

import json

import pytest

from cluster.planning.checkpoints import (
    UnknownModelError,
    checkpoint_of,
    known_models,
    read_checkpoint,
)
from graphs.errors import ConfigError
from tests.models.checkpoints.safetensors_headers import write_weights

SIZES = {
    "num_attention_heads": 2, "hidden_size": 8, "num_hidden_layers": 1, "intermediate_size": 16,
    "vocab_size": 4, "max_position_embeddings": 32,
}  # fmt: skip


def test_headers_of_weights_and_the_card_are_read(tmp_path):
    write_weights(tmp_path / "model.safetensors", {"a": ("F16", [4, 8])})
    (tmp_path / "README.md").write_text("---\ntags: [a]\nlicense: cc-by-nc-4.0\n---\n")
    (tmp_path / "config.json").write_text(json.dumps(SIZES))
    found = read_checkpoint("org/x", tmp_path)
    assert (found.weight_bytes, found.parameters, found.licence) == (64, 32.0, "cc-by-nc-4.0")
    assert (found.shape.heads, found.is_quantised) == (2, False)


def test_weights_are_known_where_sizes_are_not(tmp_path):
    write_weights(tmp_path / "model.safetensors", {"a": ("F16", [4, 8])})
    (tmp_path / "config.json").write_text("{}")
    found = checkpoint_of(str(tmp_path), None, tmp_path, {})
    assert (found.weight_bytes, found.shape) == (64, None)
    assert "does not tell context, heads" in found.source


def test_files_without_a_tensor_are_told_and_no_traceback(tmp_path):
    write_weights(tmp_path / "model.safetensors", {})
    (tmp_path / "config.json").write_text(json.dumps(SIZES))
    with pytest.raises(UnknownModelError, match="without a tensor"):
        checkpoint_of(str(tmp_path), None, tmp_path, {})


# A name, and billions of parameters times bits.
NAMED = [
    ("org/Some-7B-Instruct-AWQ", 7 * 4),
    ("Qwen/Qwen2.5-7B-Instruct-GPTQ-Int8", 7 * 8),
    ("Qwen/Qwen2.5-7B-Instruct-GPTQ-Int4", 7 * 4),
    ("RedHatAI/Meta-Llama-3.1-8B-Instruct-quantized.w8a8", 8 * 8),
    ("RedHatAI/Meta-Llama-3.1-8B-Instruct-quantized.w4a16", 8 * 4),
    ("RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic", 70 * 8),
    ("unsloth/Meta-Llama-3.1-8B-bnb-4bit", 8 * 4),
    ("meta-llama/Llama-3.1-8B-Instruct", 8 * 16),
    ("mistralai/Mixtral-8x7B-Instruct-v0.1", 56 * 16),
    ("allenai/OLMoE-1B-7B-0924-Instruct", 7 * 16),
    ("Qwen/Qwen3-30B-A3B", 30 * 16),
    ("Qwen/Qwen2.5-14B-Instruct-1M", 14 * 16),
]


@pytest.mark.parametrize(("name", "gigabits"), NAMED, ids=[name for name, _ in NAMED])
def test_a_name_alone_tells_size_and_bits(tmp_path, name, gigabits):
    found = checkpoint_of(name, "0" * 40, tmp_path, {})
    assert found.weight_bytes == pytest.approx(gigabits * 1e9 / 8 * 1.2)
    assert found.shape is None


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("org/unnamed", "its name tells no size"),
        ("meta-llama/Llama-4-Scout-17B-16E-Instruct", "its name tells one of its experts"),
        ("google/gemma-3n-E4B-it", "its name tells no size"),
        ("microsoft/Phi-3-mini-128k-instruct", "its name tells no size"),
    ],
)
def test_a_name_that_tells_no_size_is_unknown(tmp_path, name, told):
    with pytest.raises(UnknownModelError, match=told):
        checkpoint_of(name, "0" * 40, tmp_path, {})


def test_the_table_is_of_whole_ids(tmp_path):
    known = known_models()
    found = checkpoint_of("unitary/toxic-bert", "0" * 40, tmp_path, known)
    assert (found.licence, found.source) == ("apache-2.0", "known_models.yaml")
    with pytest.raises(UnknownModelError):
        checkpoint_of("evil/toxic-bert", "0" * 40, tmp_path, known)
    # A folder that is not on this machine may be that model; its licence is not known.
    assert checkpoint_of("/models/toxic-bert", None, tmp_path, known).licence is None


def test_a_table_of_models_with_a_fault_is_refused(tmp_path):
    (tmp_path / "models.yaml").write_text("org/x: {parameter: 1}")
    with pytest.raises(ConfigError, match="did you mean 'parameters'"):
        known_models(tmp_path / "models.yaml")
    (tmp_path / "models.yaml").write_text("org/x: 3")
    with pytest.raises(ConfigError, match=r"models\.yaml"):
        known_models(tmp_path / "models.yaml")
