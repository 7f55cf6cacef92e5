"""Checkpoints in auto-gptq 0.7.1's own layout, packed here independently of any GPTQ library."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from models.errors import InvalidInputError, ModelNotFoundError, UnsafeModelError
from models.gptq import resolve_gptq

BITS = 4
PER_WORD = 32 // BITS
pytestmark = pytest.mark.filterwarnings("ignore")  # GPTQModel leaves a scratch folder behind


@pytest.fixture(autouse=True)
def two_workers(monkeypatch):
    """GPTQModel asks for a third core otherwise."""
    monkeypatch.setenv("GPTQMODEL_CPU_WORKERS", "2")


def tiny_llama():
    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=96,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=64,
        initializer_range=0.08,
    )
    return LlamaForCausalLM(config).eval()


def pack(numbers, axis):
    """Packs 4-bit numbers along an axis into int32 words, lowest first, as auto-gptq does."""
    numbers = np.moveaxis(numbers.astype(np.uint32), axis, 0)
    words = np.zeros((numbers.shape[0] // PER_WORD, *numbers.shape[1:]), np.uint32)
    for i in range(PER_WORD):
        words |= numbers[i::PER_WORD] << np.uint32(BITS * i)
    return torch.from_numpy(np.moveaxis(words, 0, axis).astype(np.int32).copy())


def quantise(weight, group_size, act_order):
    """Rounds a (out, in) weight to 4 bits; returns auto-gptq's tensors and the exact float32."""
    columns = weight.float().numpy().T  # auto-gptq stores (in, out)
    size = columns.shape[0] if group_size == -1 else group_size
    groups = np.arange(columns.shape[0]) // size
    if act_order:
        groups = np.random.default_rng(5).permutation(groups)
    scales = np.stack([np.abs(columns[groups == g]).max(0) for g in range(groups.max() + 1)]) / 7
    scales = scales.astype(np.float16)
    zero = 8
    numbers = np.clip(np.rint(columns / scales[groups].astype(np.float32)) + zero, 0, 15)
    exact = scales[groups].astype(np.float32) * (numbers - zero)
    tensors = {
        "qweight": pack(numbers, 0),
        "qzeros": pack(np.full(scales.shape, zero - 1), 1),  # the format stores zero - 1
        "scales": torch.from_numpy(scales),
        "g_idx": torch.from_numpy(groups.astype(np.int32)),
    }
    return tensors, torch.from_numpy(exact.T.copy())


def write_checkpoint(folder, model, *, group_size, act_order=False, shards=1, extra=None):
    """Writes the layout of auto-gptq 0.7.1 and turns `model` into the exact float32 reference."""
    state = {}
    for name, tensor in model.state_dict().items():
        if "_proj.weight" in name:
            tensors, exact = quantise(tensor, group_size, act_order)
            tensor.copy_(exact)
            state |= {name.replace("weight", key): value for key, value in tensors.items()}
        else:
            tensor.copy_(tensor.half())
            state[name] = tensor.half().clone()
    folder.mkdir()
    model.config.save_pretrained(folder)
    config = {
        "bits": BITS, "group_size": group_size, "damp_percent": 0.01, "desc_act": act_order,
        "static_groups": False, "sym": True, "true_sequential": True, "model_name_or_path": None,
        "model_file_base_name": "gptq_model-4bit-128g", "is_marlin_format": False,
        "quant_method": "gptq",
    }  # fmt: skip
    config |= extra or {}
    (folder / "quantize_config.json").write_text(json.dumps(config))
    base = f"gptq_model-{BITS}bit-{group_size}g"
    names = sorted(state)
    if shards == 1:
        save_file(state, folder / f"{base}.safetensors", {"format": "pt"})
        return
    index = {"metadata": {}, "weight_map": {}}
    for number in range(shards):
        name = f"{base}-{number + 1:05d}-of-{shards:05d}.safetensors"
        part = {key: state[key] for key in names[number::shards]}
        save_file(part, folder / name, {"format": "pt"})
        index["weight_map"] |= dict.fromkeys(part, name)
    (folder / f"{base}.safetensors.index.json").write_text(json.dumps(index))


def logits(model, ids):
    with torch.inference_mode():
        return model(input_ids=ids).logits.float()


@pytest.mark.parametrize(
    ("group_size", "act_order", "shards"),
    [(32, True, 1), (64, False, 1), (128, False, 2), (-1, False, 1)],
)
def test_logits_equal_an_independent_dequantisation(tmp_path, group_size, act_order, shards):
    reference = tiny_llama()
    source = tmp_path / "autogptq"
    with torch.no_grad():
        write_checkpoint(
            source, reference, group_size=group_size, act_order=act_order, shards=shards
        )
    resolved = resolve_gptq(source, tmp_path / "cache")
    loaded = AutoModelForCausalLM.from_pretrained(resolved, device_map={"": "cpu"}).eval()
    ids = torch.arange(40).reshape(2, 20)
    expected = logits(reference, ids)
    difference = (logits(loaded, ids) - expected).norm() / expected.norm()
    assert difference < 0.02


@pytest.fixture
def checkpoint(tmp_path):
    folder = tmp_path / "autogptq"
    with torch.no_grad():
        write_checkpoint(folder, tiny_llama(), group_size=64)
    return folder


def test_weights_are_linked_not_copied_and_the_folder_is_made_once(checkpoint, tmp_path):
    first = resolve_gptq(checkpoint, tmp_path / "cache")
    assert (first / "model.safetensors").is_symlink()
    assert resolve_gptq(checkpoint, tmp_path / "cache") == first
    assert [p.name for p in first.parent.iterdir()] == [first.name]


def test_a_changed_config_gives_another_folder(checkpoint, tmp_path):
    first = resolve_gptq(checkpoint, tmp_path / "cache")
    path = checkpoint / "quantize_config.json"
    path.write_text(path.read_text().replace('"damp_percent": 0.01', '"damp_percent": 0.02'))
    assert resolve_gptq(checkpoint, tmp_path / "cache") != first


def test_a_transformers_checkpoint_is_left_alone(checkpoint, tmp_path):
    resolved = resolve_gptq(checkpoint, tmp_path / "cache")
    assert resolve_gptq(resolved, tmp_path / "cache") == resolved
    (checkpoint / "quantize_config.json").unlink()
    assert resolve_gptq(checkpoint, tmp_path / "cache") == checkpoint


def test_pickled_weights_are_refused(checkpoint, tmp_path):
    for file in checkpoint.glob("*.safetensors"):
        file.rename(file.with_suffix(".bin"))
    with pytest.raises(UnsafeModelError, match=r"gptq_model-4bit-64g\.bin"):
        resolve_gptq(checkpoint, tmp_path / "cache")


def test_missing_weights_and_missing_shards_are_named(checkpoint, tmp_path):
    weights = next(checkpoint.glob("*.safetensors"))
    index = {
        "weight_map": {"a": weights.name, "b": "gptq_model-4bit-64g-00002-of-00002.safetensors"}
    }
    (checkpoint / "gptq_model-4bit-64g.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelNotFoundError, match="00002-of-00002"):
        resolve_gptq(checkpoint, tmp_path / "cache")


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"is_marlin_format": True}, "Marlin"),
        ({"quant_method": "awq"}, "'awq'"),
        ({"bits": 5}, "got 5"),
        ({"group_size": 0}, "got 0"),
        ({"checkpoint_format": "marlin"}, "'marlin'"),
    ],
)
def test_what_cannot_be_loaded_is_refused_with_its_value(checkpoint, tmp_path, extra, message):
    path = checkpoint / "quantize_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | extra))
    with pytest.raises(InvalidInputError, match=message):
        resolve_gptq(checkpoint, tmp_path / "cache")
