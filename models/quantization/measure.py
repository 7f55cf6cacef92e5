"""Perplexity, decoding speed and memory of a model, before and after."""

import math
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase

NUM_DECODED_TOKENS = 64
NUM_PROMPT_TOKENS = 48


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One model, measured.

    Attributes:
        bytes_on_disk: all files of the checkpoint's weights.
        perplexity: on the held-out samples.
        tokens_per_s: greedy decoding, one sequence, after a warm-up.
    """

    bytes_on_disk: int
    perplexity: float
    tokens_per_s: float


def load_model(folder: Path, device: str) -> Any:
    """Loads a checkpoint for inference: float32 on the CPU unless quantised, else as stored."""
    quantized = (folder / "quantize_config.json").exists()
    dtype = torch.float32 if device == "cpu" and not quantized else "auto"
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, device_map={"": device})
    return model.eval()


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Loads the tokenizer of a checkpoint."""
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder)
    return tokenizer


@torch.inference_mode()
def perplexity(model: Any, samples: Sequence[list[int]]) -> float:
    """Exponential of the mean next-token loss over all samples, each (tokens,)."""
    total, count = 0.0, 0
    for sample in samples:
        ids = torch.tensor([sample], device=model.device)
        logits = model(input_ids=ids).logits[0, :-1].float()
        total += float(functional.cross_entropy(logits, ids[0, 1:], reduction="sum"))
        count += len(sample) - 1
    return math.exp(total / count)


@torch.inference_mode()
def decode(model: Any, prompt: list[int], num_tokens: int) -> list[int]:
    """Decodes greedily, without stopping at the end token: ids of exactly `num_tokens` tokens."""
    ids = torch.tensor([prompt], device=model.device)
    output = model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        max_new_tokens=num_tokens,
        min_new_tokens=num_tokens,
        pad_token_id=0,
    )
    return [int(token) for token in output[0, len(prompt) :]]


def measure(folder: Path, held_out: Sequence[list[int]], device: str) -> Measurement:
    """Loads a checkpoint, measures it and lets it go."""
    model = load_model(folder, device)
    prompt = held_out[0][:NUM_PROMPT_TOKENS]
    decode(model, prompt, 8)
    started = time.perf_counter()
    decode(model, prompt, NUM_DECODED_TOKENS)
    seconds = time.perf_counter() - started
    return Measurement(
        bytes_on_disk=sum(p.stat().st_size for p in folder.glob("*.safetensors")),
        perplexity=perplexity(model, held_out),
        tokens_per_s=NUM_DECODED_TOKENS / seconds,
    )


def peak_memory_bytes(device: str) -> int:
    """Peak of this process so far: of the GPU's allocator, or resident on the CPU."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def agreement(before: Path, after: Path, held_out: Sequence[list[int]], device: str) -> float:
    """Share of next tokens, 0..1, that both models rank first on the held-out samples."""
    chosen = []
    for folder in (before, after):
        model = load_model(folder, device)
        with torch.inference_mode():
            rows = [model(input_ids=torch.tensor([s], device=device)).logits[0] for s in held_out]
        chosen.append(torch.cat(rows).argmax(-1))
    return float((chosen[0] == chosen[1]).float().mean())
