"""LoRA adapters of the bundled generator, made of random numbers, as peft writes them."""

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

FULL = Path(__file__).parents[3] / "models/bundled/generator-full"
RANK = 8
ALPHA = 16
MODULE = "model.layers.{}.self_attn.{}"
NUM_LAYERS, HIDDEN = 6, 256


def make_adapter(folder, seed, *, rank=RANK, module=MODULE, bias="none"):
    """Writes an adapter that changes what is written; gives its folder."""
    chance = torch.Generator().manual_seed(seed)
    tensors = {}
    for layer in range(NUM_LAYERS):
        for name in ("q_proj", "o_proj"):
            place = f"base_model.model.{module.format(layer, name)}"
            tensors[f"{place}.lora_A.weight"] = torch.randn(rank, HIDDEN, generator=chance) * 0.1
            tensors[f"{place}.lora_B.weight"] = torch.randn(HIDDEN, rank, generator=chance) * 0.1
    folder.mkdir(parents=True)
    save_file(tensors, folder / "adapter_model.safetensors")
    config = {
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "r": rank, "lora_alpha": ALPHA,
        "target_modules": ["q_proj", "o_proj"], "bias": bias, "lora_dropout": 0.0,
    }  # fmt: skip
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


def merge(adapter, folder):
    """Writes the bundled generator with an adapter added to its weights; gives the folder."""
    shutil.copytree(FULL, folder)
    weights = {name: one.float() for name, one in load_file(FULL / "model.safetensors").items()}
    parts = load_file(adapter / "adapter_model.safetensors")
    for name, down in parts.items():
        if ".lora_A." in name:
            up = parts[name.replace(".lora_A.", ".lora_B.")]
            module = name.removeprefix("base_model.model.").replace(".lora_A.", ".")
            weights[module] += ALPHA / RANK * up @ down
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder
