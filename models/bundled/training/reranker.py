"""Train the bundled reranker: two layers that join question and passage on top of MiniLM.

    python -m models.bundled.training.reranker --paragraphs FILE --wordnet FOLDER --work FOLDER

Needs the files of `text.py` and the WordNet database (package wordnet-base). MiniLM's states of
every question and passage are computed once; training then costs the two upper layers only.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from models.bundled.late_bert import LateBertConfig, LateBertForSequenceClassification
from models.bundled.prepare import BUNDLED, minilm_folder, minilm_tensors
from models.bundled.training import minilm
from models.bundled.training.corpus import make_sources
from models.bundled.training.loop import Schedule, draw_curve, train
from models.bundled.training.reranker_groups import Group, GroupMaker, with_hard_negative

N_APART, N_JOINED = 6, 2
MAX_QUESTION_TOKENS, MAX_PASSAGE_TOKENS = 40, 150
# The score before any training: similarities above 0.45 count as relevant (times 10: SCALE).
SIMILARITY_WEIGHTS, SIMILARITY_MIDDLE = (0.4, 0.4, 0.6), 0.45
FAST = {"similarity.": 20.0, "weigh.": 20.0}  # few parameters, whose values are far from zero


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """Token ids and MiniLM states of texts, [CLS] and [SEP] included."""

    ids: list[list[int]]
    states: list[minilm.Hidden]

    def means(self) -> NDArray[np.float32]:
        """Returns the embeddings, float32, (n_texts, 384), unit length."""
        means = np.stack([state.astype(np.float32).mean(0) for state in self.states])
        unit: NDArray[np.float32] = means / np.linalg.norm(means, axis=1, keepdims=True)
        return unit


@dataclass(frozen=True, kw_only=True)
class Data:
    """Groups with the encoded questions (a row each) and the encoded passages of the pool."""

    groups: list[Group]
    questions: Encoded
    passages: Encoded


def main(arguments: Sequence[str] | None = None) -> int:
    """Train from a seed; write the trained tensors, the curve and numbers on unseen documents."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--paragraphs", type=Path, required=True, help="JSONL of training.text")
    parser.add_argument("--wordnet", type=Path, required=True, help="folder of index.* and data.*")
    parser.add_argument("--work", type=Path, required=True, help="checkpoints; resumes from them")
    parser.add_argument("--out", type=Path, default=BUNDLED / "reranker", help="the shipped folder")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--contexts", type=int, default=2600, help="four passages each")
    parser.add_argument("--questions", type=int, default=5, help="tries for each context")
    parser.add_argument("--groups-per-step", type=int, default=8)
    parser.add_argument("--max-steps", type=int, help="stop early, for a check of the losses")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    model = late_minilm()
    data = prepared(model, options, evaluation=False, n_contexts=options.contexts)
    losses = fit(model, data, options)
    save(model, options.out)
    draw_curve(losses, options.out / "curve.png", title="reranker")
    unseen = prepared(model, options, evaluation=True, n_contexts=options.contexts // 10)
    report = evaluate(model, unseen)
    print(json.dumps(report, indent=2))
    (options.work / "unseen.json").write_text(json.dumps(report, indent=2) + "\n")
    return 0


def late_minilm() -> LateBertForSequenceClassification:
    """Returns the untrained model: it scores by MiniLM's similarities alone."""
    config = LateBertConfig.from_pretrained(
        minilm_folder(), num_hidden_layers=N_APART + N_JOINED, num_labels=1
    )
    config.n_apart = N_APART
    config.architectures = ["LateBertForSequenceClassification"]
    model = LateBertForSequenceClassification(config)
    source = minilm_tensors(load_file(minilm_folder() / "model.safetensors"), n_layers=N_APART)
    for layer in range(N_JOINED):  # the new layers start as copies of MiniLM's last ones
        old = f"bert.encoder.layer.{N_APART - N_JOINED + layer}."
        new = f"bert.encoder.layer.{N_APART + layer}."
        source |= {k.replace(old, new): v.clone() for k, v in source.items() if k.startswith(old)}
    model.load_state_dict(source, strict=False)
    with torch.no_grad():
        model.words.weight.zero_()
        model.segment.weight.normal_(std=0.02)
        model.classifier.weight.zero_()
        model.classifier.bias.zero_()
        model.weigh.weight.zero_()
        model.weigh.bias.zero_()
        model.similarity.weight.copy_(torch.tensor([SIMILARITY_WEIGHTS]))
        model.similarity.bias.fill_(-sum(SIMILARITY_WEIGHTS) * SIMILARITY_MIDDLE)
    for name, parameter in model.named_parameters():
        frozen = name.startswith(("bert.embeddings.", *_apart_layers()))
        parameter.requires_grad = not frozen
    return model


def _apart_layers() -> tuple[str, ...]:
    """Returns the prefixes of the layers that stay MiniLM's."""
    return tuple(f"bert.encoder.layer.{layer}." for layer in range(N_APART))


def prepared(
    model: LateBertForSequenceClassification,
    options: argparse.Namespace,
    *,
    evaluation: bool,
    n_contexts: int,
) -> Data:
    """Makes groups from one side of the split and runs the frozen layers on their texts."""
    sources = make_sources(options.paragraphs, options.wordnet, evaluation=evaluation)
    rng = random.Random(options.seed + evaluation)
    maker = GroupMaker(sources, with_dictionary=not evaluation)
    pool, groups = maker.make(rng, n_contexts=n_contexts, n_questions=options.questions)
    del sources, maker
    print(f"{len(groups)} groups, {len(pool.texts)} passages: running MiniLM", flush=True)
    questions = encode(model, [g.question for g in groups], max_length=MAX_QUESTION_TOKENS)
    passages = encode(model, pool.texts, max_length=MAX_PASSAGE_TOKENS)
    groups = with_hard_negative(groups, pool, questions.means(), passages.means())
    return Data(groups=groups, questions=questions, passages=passages)


def encode(
    model: LateBertForSequenceClassification, texts: Sequence[str], *, max_length: int
) -> Encoded:
    """Runs MiniLM on texts, each alone."""
    ids = minilm.tokenizer()(list(texts), truncation=True, max_length=max_length)["input_ids"]
    states = minilm.lower_states(model, [(row, [0] * len(row)) for row in ids], n_frozen=N_APART)
    return Encoded(ids=ids, states=states)


def pair_logits(
    model: LateBertForSequenceClassification, data: Data, pairs: Sequence[tuple[int, int]]
) -> torch.Tensor:
    """Returns the logit of each (question row, passage row), (n_pairs,).

    The passage's own [CLS] is dropped: a pair has one [CLS] only.
    """
    lengths = [(len(data.questions.ids[q]), len(data.passages.ids[p]) - 1) for q, p in pairs]
    width = max(first + rest for first, rest in lengths)
    ids = torch.zeros(len(pairs), width, dtype=torch.long)
    hidden = torch.zeros(len(pairs), width, model.config.hidden_size)
    for row, ((q, p), (first, rest)) in enumerate(zip(pairs, lengths, strict=True)):
        ids[row, : first + rest] = torch.tensor(data.questions.ids[q] + data.passages.ids[p][1:])
        hidden[row, :first] = torch.from_numpy(data.questions.states[q])
        hidden[row, first : first + rest] = torch.from_numpy(data.passages.states[p][1:])
    place = torch.arange(width)[None, :]
    n_first = torch.tensor([first for first, _ in lengths])
    mask = place < torch.tensor([first + rest for first, rest in lengths])[:, None]
    second = (place >= n_first[:, None]) & mask
    with torch.no_grad():
        embedded = model.embed(ids, second=second, n_first=n_first)
    logits: torch.Tensor = model.join(ids, hidden, embedded, mask=mask, second=second)[:, 0]
    return logits


def fit(
    model: LateBertForSequenceClassification, data: Data, options: argparse.Namespace
) -> list[float]:
    """Trains on each group once: the answer above the others, and each pair right or wrong."""
    lengths = [
        max(len(data.passages.ids[row]) for row in group.candidates) for group in data.groups
    ]
    budget = options.groups_per_step * int(np.mean(lengths))
    batches = minilm.batches_by_length(lengths, batch_tokens=budget, seed=options.seed)

    def loss_of(batch: list[int]) -> torch.Tensor:
        pairs = [(row, passage) for row in batch for passage in data.groups[row].candidates]
        logits = pair_logits(model, data, pairs)
        return group_loss(logits, [data.groups[row] for row in batch])

    return train(
        model,
        batches[: options.max_steps],
        loss_of,
        schedule=Schedule(learning_rate=2.5e-4, scales=FAST),
        work=options.work,
        seed=options.seed,
    )


def group_loss(logits: torch.Tensor, groups: Sequence[Group]) -> torch.Tensor:
    """Returns cross-entropy over each answered group plus that of each pair alone.

    Args:
        logits: float, (n_pairs,), the candidates of the first group, then of the second, ...
        groups: The groups.
    """
    targets = torch.zeros_like(logits)
    ranking, start = logits.new_zeros(()), 0
    for group in groups:
        end = start + len(group.candidates)
        if group.answer is not None:
            targets[start + group.answer] = 1.0
            ranking = ranking - logits[start:end].log_softmax(0)[group.answer]
        start = end
    weight = 1.0 + 2.0 * targets  # one pair in five is right
    pairs = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets, weight=weight)
    return pairs + 0.5 * ranking / len(groups)


@torch.inference_mode()
def evaluate(model: LateBertForSequenceClassification, data: Data) -> dict[str, object]:
    """Compares the order with the embedder's among the 20 passages that it finds most similar."""
    questions, passages = data.questions.means(), data.passages.means()
    ranks: dict[str, list[tuple[int, int]]] = {}
    best: dict[str, list[float]] = {"answered": [], "unanswered": []}
    for row, group in enumerate(data.groups):
        similarity = passages @ questions[row]
        nearest = np.argsort(-similarity)[:20].tolist()
        target = None if group.answer is None else group.candidates[group.answer]
        logits = pair_logits(model, data, [(row, passage) for passage in nearest]).numpy()
        best["unanswered" if target is None else "answered"].append(float(logits.max()))
        if target in nearest:
            place = nearest.index(target)
            ranks.setdefault(group.kind, []).append((place, int((logits > logits[place]).sum())))
    return {
        kind: {
            "n": len(places),
            "embedder_first": float(np.mean([a == 0 for a, _ in places])),
            "reranker_first": float(np.mean([b == 0 for _, b in places])),
            "embedder_mrr": float(np.mean([1 / (1 + a) for a, _ in places])),
            "reranker_mrr": float(np.mean([1 / (1 + b) for _, b in places])),
        }
        for kind, places in ranks.items()
    } | {f"best_score_{k}": _quantiles(v) for k, v in best.items() if v}


def _quantiles(logits: Sequence[float]) -> list[float]:
    """Returns the 10, 25, 50, 75 and 90 % quantiles of sigmoid scores."""
    scores = 1 / (1 + np.exp(-np.asarray(logits)))
    return [round(float(q), 3) for q in np.quantile(scores, [0.1, 0.25, 0.5, 0.75, 0.9])]


def save(model: LateBertForSequenceClassification, folder: Path) -> None:
    """Writes the shipped files."""
    minilm.save_trained(model, folder)


if __name__ == "__main__":
    raise SystemExit(main())
