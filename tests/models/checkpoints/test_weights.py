"""Weights of a checkpoint out of the headers of its files."""

import json

import pytest

from models.checkpoints.weights import read_weights
from tests.models.checkpoints.safetensors_headers import write_weights

BODY = 6_979_321_856  # of LLaMA 3 8B, without its two embeddings
EMBEDDINGS = {"embed": ("BF16", [128256, 4096]), "lm_head": ("BF16", [128256, 4096])}
UNPACKED = 2 * 128256 * 4096 * 2


def config(folder, quantised=None):
    told = {} if quantised is None else {"quantization_config": quantised}
    (folder / "config.json").write_text(json.dumps(told))


# How it says so, the body of its weights, bits, and the bytes of the body.
QUANTISED = [
    (
        {
            "quant_method": "compressed-tensors",
            "config_groups": {"group_0": {"weights": {"num_bits": 4}}},
        },
        {"w": ("I32", [BODY // 8]), "shape": ("I64", [2])}, 4, BODY // 2 + 16,
    ),
    ({"quant_method": "gptq", "bits": 4}, {"w": ("I32", [BODY // 8])}, 4, BODY // 2),
    ({"quant_method": "gptq", "bits": 8}, {"w": ("I32", [BODY // 4])}, 8, BODY),
    ({"quant_method": "fp8"}, {"w": ("F8_E4M3", [BODY])}, 8, BODY),
    (None, {"w": ("F8_E4M3", [BODY])}, 8, BODY),
    (
        {"quant_method": "bitsandbytes", "load_in_4bit": True},
        {"w": ("U8", [BODY // 2])}, 4, BODY // 2,
    ),
]  # fmt: skip
NAMES = [(told or {}).get("quant_method", "not told") for told, *_ in QUANTISED]


@pytest.mark.parametrize(("told", "body", "bits", "num_bytes"), QUANTISED, ids=NAMES)
def test_quantised_weights_stay_as_they_are(tmp_path, told, body, bits, num_bytes):
    config(tmp_path, told)
    write_weights(tmp_path / "model.safetensors", {**EMBEDDINGS, **body})
    found = read_weights(tmp_path)
    assert (found.num_bytes, found.bits, found.is_quantised) == (UNPACKED + num_bytes, bits, True)
    assert found.parameters == pytest.approx(8.03e9, rel=0.001)


@pytest.mark.parametrize(("dtype", "bits"), [("BF16", 16), ("F32", 32)])
def test_full_precision_is_none_of_them(tmp_path, dtype, bits):
    config(tmp_path)
    write_weights(tmp_path / "model.safetensors", {"w": (dtype, [1000, 10])})
    found = read_weights(tmp_path)
    assert (found.num_bytes, found.bits, found.is_quantised) == (1250 * bits, bits, False)


def test_weights_that_are_there_twice_count_once(tmp_path):
    config(tmp_path)
    for name in ("consolidated", "model-00001-of-00002", "model-00002-of-00002", "adapter_model"):
        write_weights(tmp_path / f"{name}.safetensors", {"w": ("BF16", [100])})
    assert read_weights(tmp_path).num_bytes == 400
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert read_weights(tmp_path).num_bytes == 200


def test_what_was_consolidated_alone_counts(tmp_path):
    config(tmp_path)
    write_weights(tmp_path / "consolidated.safetensors", {"w": ("BF16", [100])})
    assert read_weights(tmp_path).num_bytes == 200


def test_a_file_that_the_index_names_must_be_there(tmp_path):
    config(tmp_path)
    write_weights(tmp_path / "model-00001-of-00002.safetensors", {"w": ("BF16", [100])})
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "model-00002-of-00002.safetensors"}}))
    with pytest.raises(OSError, match="lacks model-00002"):
        read_weights(tmp_path)
    index.write_text("[]")
    with pytest.raises(OSError, match="is no index"):
        read_weights(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"no weights", b"\2\0\0\0\0\0\0\0{}", b"\2\0\0\0\0\0\0\0[]",
        b"\2\0\0\0\0\0\0\0\xff\xff", b'\7\0\0\0\0\0\0\0{"a":1}',
    ],
)  # fmt: skip
def test_a_file_without_tensors_is_told(tmp_path, content):
    config(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(OSError, match=r"safetensors file|without a tensor"):
        read_weights(tmp_path)
