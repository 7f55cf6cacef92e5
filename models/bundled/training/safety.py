"""Train the bundled safety classifier: MiniLM with its upper layers tuned, one sigmoid a category.

python -m models.bundled.training.safety --paragraphs FILE --wordnet FOLDER --work FOLDER
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import BertForSequenceClassification

from models.bundled.prepare import BUNDLED
from models.bundled.training import minilm
from models.bundled.training.loop import Schedule, draw_curve, train
from models.bundled.training.safety_examples import LABELS, Example, everyday_texts, examples

SHAPE = minilm.Shape(n_layers=6, n_trained=2)
POSITIVE_WEIGHT = 2.0  # a category is rare: about one text in twenty
MAX_TOKENS = 96
# Taken off the logits at the end, so that 0.5 is the default threshold of every label: chosen on
# the held-out texts (see the card). 2.944 is the logit of 0.95.
SHIFTS = dict.fromkeys(("self-harm", "sexual", "prompt-injection"), 1.7) | {
    label: 0.5 if "/" in label else 2.944
    for label in LABELS
    if label not in ("self-harm", "sexual", "prompt-injection")
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Train from a seed and write the trained tensors, the losses and the curve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--paragraphs", type=Path, required=True, help="JSONL of training.text")
    parser.add_argument("--wordnet", type=Path, required=True, help="folder of its data.* files")
    parser.add_argument("--work", type=Path, required=True, help="checkpoints; resumes from them")
    parser.add_argument("--out", type=Path, default=BUNDLED / "safety", help="the shipped folder")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--per-template", type=int, default=12, help="variations of a template")
    parser.add_argument("--n-paragraphs", type=int, default=2500, help="harmless paragraphs")
    parser.add_argument("--n-everyday", type=int, default=6000, help="harmless sentences")
    parser.add_argument("--max-steps", type=int, help="stop early, for a check of the losses")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    paragraphs = sample_paragraphs(options.paragraphs, options.n_paragraphs, seed=options.seed)
    everyday = everyday_texts(options.wordnet, n_texts=options.n_everyday, seed=options.seed)
    rows = examples(paragraphs, everyday, n_per_template=options.per_template, seed=options.seed)
    model = minilm.classifier(SHAPE, LABELS, problem="multi_label_classification")
    losses = fit(model, rows, options)
    with torch.no_grad():
        model.classifier.bias -= torch.tensor([SHIFTS[label] for label in LABELS])
    minilm.save_trained(model, options.out)
    draw_curve(losses, options.out / "curve.png", title="safety classifier")
    return 0


def sample_paragraphs(file: Path, n_paragraphs: int, *, seed: int) -> list[str]:
    """Return some paragraphs of the JSONL that `text.py` writes, at least six words each."""
    with file.open(encoding="utf-8") as lines:
        texts = [json.loads(line)["paragraph"] for line in lines]
    texts = [text for text in texts if len(text.split()) >= 6]
    return random.Random(seed).sample(texts, min(n_paragraphs, len(texts)))


def fit(
    model: BertForSequenceClassification,
    rows: Sequence[Example],
    options: argparse.Namespace,
) -> list[float]:
    """Compute the frozen layers' output once, then train the upper ones on it."""
    encode = minilm.tokenizer()
    ids = encode([row.text for row in rows], truncation=True, max_length=MAX_TOKENS)["input_ids"]
    lengths = [len(row) for row in ids]
    print(f"{len(rows)} texts, {sum(lengths)} tokens; running the frozen layers", flush=True)
    encoded = [(row, [0] * len(row)) for row in ids]
    states = minilm.lower_states(model, encoded, n_frozen=SHAPE.n_frozen)
    targets = torch.tensor([[float(label in row.labels) for label in LABELS] for row in rows])
    batches = [
        batch
        for epoch in range(options.epochs)
        for batch in minilm.batches_by_length(
            lengths, batch_tokens=1024, seed=options.seed + 100 * epoch
        )
    ][: options.max_steps]

    def loss_of(batch: list[int]) -> torch.Tensor:
        logits = minilm.upper_logits(model, [states[row] for row in batch], n_frozen=SHAPE.n_frozen)
        return torch.nn.functional.binary_cross_entropy_with_logits(
            logits, targets[batch], pos_weight=torch.tensor(POSITIVE_WEIGHT)
        )

    return train(
        model,
        batches,
        loss_of,
        schedule=Schedule(learning_rate=4e-4),
        work=options.work,
        seed=options.seed,
    )


if __name__ == "__main__":
    raise SystemExit(main())
