"""Train the bundled safety classifier: MiniLM with its upper layers tuned, one sigmoid a category.

python -m training.encoders.safety --work FOLDER
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import BertForSequenceClassification

from models.bundled.prepare import BUNDLED
from training.encoders import minilm
from training.encoders.loop import Schedule, draw_curve
from training.encoders.safety_examples import LABELS, Example, everyday_texts, examples
from training.written import read_documents

SHAPE = minilm.Shape(n_layers=6, n_trained=2)
POSITIVE_WEIGHT = 3.0  # a category is rare: about one text in twenty
MAX_TOKENS = 96
# Taken off the logits at the end, so that 0.5 is the default threshold of every label: the logit of
# 0.85, chosen on the held-out texts (see the card).
SHIFT = 1.75


def main(arguments: Sequence[str] | None = None) -> int:
    """Train from a seed and write the trained tensors, the losses and the curve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="checkpoints; resumes from them")
    parser.add_argument("--out", type=Path, default=BUNDLED / "safety", help="the shipped folder")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--n-everyday", type=int, default=10000, help="texts of documents")
    parser.add_argument("--per-template", type=int, default=24, help="variations of a template")
    parser.add_argument("--max-steps", type=int, help="stop early, for a check of the losses")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    everyday = everyday_texts(read_documents(evaluation=False))
    random.Random(options.seed).shuffle(everyday)
    rows = examples(
        everyday[: options.n_everyday], n_per_template=options.per_template, seed=options.seed
    )
    model = minilm.classifier(SHAPE, LABELS, problem="multi_label_classification")
    losses = fit(model, rows, options)
    with torch.no_grad():
        model.classifier.bias -= SHIFT
    minilm.save_trained(model, options.out)
    draw_curve(losses, options.out / "curve.png", title="safety classifier")
    return 0


def lower_states(model: BertForSequenceClassification, texts: Sequence[str]) -> list[minilm.Hidden]:
    """Returns the frozen layers' output for each text."""
    ids = minilm.tokenizer()(list(texts), truncation=True, max_length=MAX_TOKENS)["input_ids"]
    print(f"{len(texts)} texts, {sum(map(len, ids))} tokens: the frozen layers", flush=True)
    encoded = [(row, [0] * len(row)) for row in ids]
    return minilm.lower_states(model, encoded, n_frozen=SHAPE.n_frozen)


def fit(
    model: BertForSequenceClassification,
    rows: Sequence[Example],
    options: argparse.Namespace,
) -> list[float]:
    """Compute the frozen layers' output once, then train the upper ones on it."""
    states = lower_states(model, [row.text for row in rows])
    targets = torch.tensor([[float(label in row.labels) for label in LABELS] for row in rows])
    return minilm.fit_upper(
        model,
        states,
        targets,
        n_frozen=SHAPE.n_frozen,
        positive_weight=POSITIVE_WEIGHT,
        batch_tokens=1024,
        schedule=Schedule(learning_rate=4e-4),
        options=options,
    )


if __name__ == "__main__":
    raise SystemExit(main())
