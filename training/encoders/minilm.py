"""MiniLM as the frozen base of the small classifiers, with only its upper layers trained.

The lower layers never change, so their output is computed once per text and kept: an epoch then
costs only the layers that learn. What is saved are the trained tensors alone; `prepare` joins
them with MiniLM's own.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

from models.bundled.prepare import minilm_folder, minilm_tensors
from training.encoders.loop import Schedule, train

Hidden = NDArray[np.float16]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """How much of MiniLM a classifier uses: the first `n_layers`, the last `n_trained` learn."""

    n_layers: int
    n_trained: int

    @property
    def n_frozen(self) -> int:
        """Layers whose output never changes."""
        return self.n_layers - self.n_trained


def tokenizer() -> PreTrainedTokenizerFast:
    """Return MiniLM's tokenizer."""
    return PreTrainedTokenizerFast.from_pretrained(minilm_folder())


def classifier(
    shape: Shape, labels: Sequence[str], *, problem: str
) -> BertForSequenceClassification:
    """Return a classifier whose body is MiniLM's and whose head is random.

    Args:
        shape: Layers kept and trained.
        labels: Names of the outputs, in their order.
        problem: transformers' `problem_type`.
    """
    config = BertConfig.from_pretrained(minilm_folder(), num_hidden_layers=shape.n_layers)
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: number for number, label in enumerate(labels)}
    config.problem_type = problem
    config.architectures = ["BertForSequenceClassification"]
    model = BertForSequenceClassification(config)
    source = load_file(minilm_folder() / "model.safetensors")
    tensors = minilm_tensors(source, n_layers=shape.n_layers)
    unexpected = model.load_state_dict(tensors, strict=False).unexpected_keys
    assert not unexpected, unexpected
    for name, parameter in model.named_parameters():
        parameter.requires_grad = _is_trained(name, shape)
    return model


def _is_trained(name: str, shape: Shape) -> bool:
    """Say whether a parameter belongs to the trained layers or to the head."""
    if name.startswith("bert.encoder.layer."):
        return int(name.split(".")[3]) >= shape.n_frozen
    return not name.startswith("bert.embeddings.")


@torch.inference_mode()
def lower_states(
    model: BertForSequenceClassification,
    encoded: Sequence[tuple[list[int], list[int]]],
    *,
    n_frozen: int,
    batch_tokens: int = 4096,
) -> list[Hidden]:
    """Return the frozen layers' output for each text.

    Args:
        model: The classifier.
        encoded: For each text, its token ids and its segment ids.
        n_frozen: Layers to run.
        batch_tokens: Upper bound of padded tokens in one pass.

    Returns:
        float16, (n_tokens, 384) each, in the order of `encoded`.
    """
    model.eval()
    states: list[Hidden | None] = [None] * len(encoded)
    for batch in batches_by_length([len(ids) for ids, _ in encoded], batch_tokens=batch_tokens):
        width = max(len(encoded[row][0]) for row in batch)
        ids = torch.zeros(len(batch), width, dtype=torch.long)
        segments = torch.zeros_like(ids)
        mask = torch.zeros(len(batch), width, dtype=torch.bool)
        for line, row in enumerate(batch):
            n_tokens = len(encoded[row][0])
            ids[line, :n_tokens] = torch.tensor(encoded[row][0])
            segments[line, :n_tokens] = torch.tensor(encoded[row][1])
            mask[line, :n_tokens] = True
        hidden = model.bert.embeddings(input_ids=ids, token_type_ids=segments)
        for layer in model.bert.encoder.layer[:n_frozen]:
            hidden = layer(hidden, mask[:, None, None, :])
        for line, row in enumerate(batch):
            states[row] = hidden[line, : len(encoded[row][0])].to(torch.float16).numpy()
    return [state for state in states if state is not None]


def upper_logits(
    model: BertForSequenceClassification, states: Sequence[Hidden], *, n_frozen: int
) -> torch.Tensor:
    """Return the classifier's logits, (n_texts, n_labels), from the frozen layers' output."""
    width = max(len(state) for state in states)
    hidden = torch.zeros(len(states), width, states[0].shape[1])
    mask = torch.zeros(len(states), width, dtype=torch.bool)
    for line, state in enumerate(states):
        hidden[line, : len(state)] = torch.from_numpy(state).float()
        mask[line, : len(state)] = True
    for layer in model.bert.encoder.layer[n_frozen:]:
        hidden = layer(hidden, mask[:, None, None, :])
    logits: torch.Tensor = model.classifier(model.dropout(model.bert.pooler(hidden)))
    return logits


def batches_by_length(
    lengths: Sequence[int], *, batch_tokens: int, seed: int | None = None
) -> list[list[int]]:
    """Group rows of like length so that little is padded; shuffled when a seed is given."""
    noise = np.random.default_rng(seed).uniform(0, 4 * (seed is not None), len(lengths))
    order = np.argsort(np.asarray(lengths) + noise, kind="stable")
    batches: list[list[int]] = []
    batch: list[int] = []
    for row in order.tolist():
        if batch and (len(batch) + 1) * max(lengths[row], lengths[batch[0]]) > batch_tokens:
            batches.append(batch)
            batch = []
        batch.append(row)
    batches.append(batch)
    if seed is not None:
        np.random.default_rng(seed + 1).shuffle(batches)
    return batches


def fit_upper(
    model: BertForSequenceClassification,
    states: Sequence[Hidden],
    targets: torch.Tensor,
    *,
    n_frozen: int,
    positive_weight: float,
    batch_tokens: int,
    schedule: Schedule,
    options: argparse.Namespace,
) -> list[float]:
    """Train the upper layers on the frozen layers' output, each label by itself.

    Args:
        model: The classifier.
        states: The frozen layers' output for each text.
        targets: float32, (n_texts, n_labels), 0 or 1.
        n_frozen: Layers that were run.
        positive_weight: Of a label that is 1.
        batch_tokens: Upper bound of padded tokens in one step.
        schedule: Rates and checkpoints.
        options: `epochs`, `seed`, `max_steps` and `work` of the command line.

    Returns:
        The loss of each step.
    """
    lengths = [len(state) for state in states]
    batches = [
        batch
        for epoch in range(options.epochs)
        for batch in batches_by_length(
            lengths, batch_tokens=batch_tokens, seed=options.seed + 100 * epoch
        )
    ][: options.max_steps]

    def loss_of(batch: list[int]) -> torch.Tensor:
        logits = upper_logits(model, [states[row] for row in batch], n_frozen=n_frozen)
        return torch.nn.functional.binary_cross_entropy_with_logits(
            logits, targets[batch], pos_weight=torch.tensor(positive_weight)
        )

    return train(model, batches, loss_of, schedule=schedule, work=options.work, seed=options.seed)


def save_trained(model: BertForSequenceClassification, folder: Path) -> None:
    """Write config.json and the trained tensors, float16, to the folder that is shipped."""
    folder.mkdir(parents=True, exist_ok=True)
    trained = {
        name: parameter.detach().to(torch.float16).contiguous()
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }
    save_file(trained, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads(model.config.to_json_string())
    config.pop("_name_or_path", None)
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def load_trained(model: BertForSequenceClassification, folder: Path) -> None:
    """Put the tensors that `save_trained` wrote into a classifier of the same shape.

    Raises:
        ValueError: they are of another shape.
    """
    tensors = load_file(folder / "model.safetensors")
    wanted = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    if tensors.keys() != wanted:
        strange = sorted(tensors.keys() ^ wanted)
        raise ValueError(f"{folder} holds other layers than are trained: {strange[:3]}")
    model.load_state_dict({name: one.float() for name, one in tensors.items()}, strict=False)
