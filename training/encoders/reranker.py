"""Train the bundled reranker on the documents written for this project.

    python -m training.encoders.reranker --work FOLDER

The lowest layers are MiniLM's and never change: their states of every question and passage are
computed once. The layers above learn: two that see question and passage apart, two that join them.
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
from torch.nn.utils.rnn import pad_sequence

from models.bundled.prepare import BUNDLED, minilm_folder, minilm_tensors
from models.encoders.late_bert import LateBertConfig, LateBertForSequenceClassification
from training.encoders import minilm
from training.encoders.loop import Schedule, draw_curve, train
from training.encoders.reranker_groups import Group, Question, cut_pool, draw_groups
from training.written import read_documents

N_FROZEN, N_APART, N_JOINED = 4, 6, 2
MAX_QUESTION_TOKENS, MAX_PASSAGE_TOKENS = 40, 120
# The score before any training: similarities above 0.45 count as relevant (times 10: SCALE).
SIMILARITY_WEIGHTS, SIMILARITY_MIDDLE = (0.4, 0.4, 0.6), 0.45
CONTRAST_WEIGHT, CONTRAST_SCALE = 0.3, 20.0
# Few parameters whose values are far from zero learn fast, MiniLM's own layers slowly.
SCALES = {"similarity.": 20.0, "weigh.": 20.0} | {
    f"bert.encoder.layer.{layer}.": 0.25 for layer in range(N_FROZEN, N_APART)
}
N_RERANKED, QUANTILES = 12, (0.1, 0.25, 0.5, 0.75, 0.9)


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """Token ids and lower states of texts, [CLS] and [SEP] included, and their embeddings.

    Attributes:
        ids: token ids of each text.
        states: the frozen layers' output, float16, (n_tokens, 384) each.
        embeddings: MiniLM's, float32, (n_texts, 384), unit length.
    """

    ids: list[list[int]]
    states: list[minilm.Hidden]
    embeddings: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Data:
    """Questions, the pool of passages, and MiniLM's similarity of each pair of them."""

    questions: list[Question]
    asked: Encoded
    passages: Encoded

    @property
    def similarities(self) -> NDArray[np.float32]:
        """Cosines, float32, (n_questions, n_passages)."""
        cosines: NDArray[np.float32] = self.asked.embeddings @ self.passages.embeddings.T
        return cosines


def main(arguments: Sequence[str] | None = None) -> int:
    """Train from a seed; write the trained tensors, the curve and numbers on unseen documents."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="checkpoints; resumes from them")
    parser.add_argument("--out", type=Path, default=BUNDLED / "reranker", help="the shipped folder")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--groups-per-step", type=int, default=8)
    parser.add_argument("--max-steps", type=int, help="stop early, for a check of the losses")
    parser.add_argument("--documents", type=int, help="use only the first, for the same")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    model = late_minilm()
    losses = fit(model, options)
    minilm.save_trained(model, options.out)
    draw_curve(losses, options.out / "curve.png", title="reranker")
    report = evaluate(model, prepared(model, options, evaluation=True))
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
    frozen = tuple(f"bert.encoder.layer.{layer}." for layer in range(N_FROZEN))
    for name, parameter in model.named_parameters():
        parameter.requires_grad = not name.startswith(("bert.embeddings.", *frozen))
    return model


def prepared(
    model: LateBertForSequenceClassification, options: argparse.Namespace, *, evaluation: bool
) -> Data:
    """Cuts one side of the split into passages and runs the frozen layers on all texts."""
    documents = read_documents(evaluation=evaluation)[: options.documents]
    pool, questions = cut_pool(documents, random.Random(options.seed + evaluation))
    print(f"{len(questions)} questions, {len(pool)} passages: running MiniLM", flush=True)
    return Data(
        questions=questions,
        asked=encode(model, [q.text for q in questions], max_length=MAX_QUESTION_TOKENS),
        passages=encode(model, pool, max_length=MAX_PASSAGE_TOKENS),
    )


def encode(
    model: LateBertForSequenceClassification, texts: Sequence[str], *, max_length: int
) -> Encoded:
    """Runs MiniLM on texts, each alone, with the weights that the model has now."""
    ids = minilm.tokenizer()(list(texts), truncation=True, max_length=max_length)["input_ids"]
    rows = [(row, [0] * len(row)) for row in ids]
    states = minilm.lower_states(model, rows, n_frozen=N_FROZEN)
    means = np.zeros((len(ids), model.config.hidden_size), dtype=np.float32)
    with torch.inference_mode():
        for batch in minilm.batches_by_length([len(row) for row in ids], batch_tokens=4096):
            whole = apart_states(model, [states[row] for row in batch])
            means[batch] = torch.stack([state.mean(0) for state in whole]).numpy()
    return Encoded(
        ids=ids, states=states, embeddings=means / np.linalg.norm(means, axis=1, keepdims=True)
    )


def apart_states(
    model: LateBertForSequenceClassification, lower: Sequence[minilm.Hidden]
) -> list[torch.Tensor]:
    """Runs the trained layers that see each text alone; (n_tokens, 384) each."""
    states = [torch.from_numpy(state).float() for state in lower]
    lengths = torch.tensor([len(state) for state in states])
    hidden = pad_sequence(states, batch_first=True)
    mask = torch.arange(hidden.shape[1])[None, :] < lengths[:, None]
    for layer in model.bert.encoder.layer[N_FROZEN:N_APART]:
        hidden = layer(hidden, mask[:, None, None, :])
    return [row[:length] for row, length in zip(hidden, lengths.tolist(), strict=True)]


@dataclass(frozen=True, kw_only=True)
class Scored:
    """Logits, (n_pairs,), and cosines, (n_questions, n_passages), whose rows and columns follow."""

    logits: torch.Tensor
    cosines: torch.Tensor
    questions: list[int]
    passages: list[int]


def score(
    model: LateBertForSequenceClassification, data: Data, pairs: Sequence[tuple[int, int]]
) -> Scored:
    """Scores pairs of question and passage rows.

    The passage's own [CLS] is dropped where they are joined: a pair has one [CLS] only.
    """
    questions, passages = sorted({q for q, _ in pairs}), sorted({p for _, p in pairs})
    asked, told = (
        dict(zip(rows, apart_states(model, [encoded.states[row] for row in rows]), strict=True))
        for rows, encoded in ((questions, data.asked), (passages, data.passages))
    )
    hidden = pad_sequence([torch.cat([asked[q], told[p][1:]]) for q, p in pairs], batch_first=True)
    ids = pad_sequence(
        [torch.tensor(data.asked.ids[q] + data.passages.ids[p][1:]) for q, p in pairs],
        batch_first=True,
    )
    n_first = torch.tensor([len(asked[q]) for q, _ in pairs])[:, None]
    n_tokens = torch.tensor([len(asked[q]) + len(told[p]) - 1 for q, p in pairs])[:, None]
    place = torch.arange(ids.shape[1])[None, :]
    mask, second = place < n_tokens, (place >= n_first) & (place < n_tokens)
    with torch.no_grad():
        embedded = model.embed(ids, second=second, n_first=n_first[:, 0])
    logits = model.join(ids, hidden, embedded, mask=mask, second=second)[:, 0]
    unit = [
        torch.nn.functional.normalize(torch.stack([states[row].mean(0) for row in rows]), dim=1)
        for states, rows in ((asked, questions), (told, passages))
    ]
    return Scored(
        logits=logits, cosines=unit[0] @ unit[1].T, questions=questions, passages=passages
    )


def fit(model: LateBertForSequenceClassification, options: argparse.Namespace) -> list[float]:
    """Trains: the answer above the others, each pair right or wrong, and the embeddings alone."""
    data = prepared(model, options, evaluation=False)
    rng = random.Random(options.seed)
    groups: list[Group] = []
    batches: list[list[int]] = []
    for epoch in range(options.epochs):
        drawn = draw_groups(data.questions, data.similarities, rng)
        lengths = [max(len(data.passages.ids[row]) for row in g.candidates) for g in drawn]
        budget = options.groups_per_step * int(np.mean(lengths))
        for batch in minilm.batches_by_length(
            lengths, batch_tokens=budget, seed=options.seed + epoch
        ):
            batches.append([len(groups) + row for row in batch])
        groups += drawn

    def loss_of(batch: list[int]) -> torch.Tensor:
        chosen = [groups[row] for row in batch]
        pairs = [(group.question, row) for group in chosen for row in group.candidates]
        return group_loss(score(model, data, pairs), chosen)

    return train(
        model,
        batches[: options.max_steps],
        loss_of,
        schedule=Schedule(learning_rate=2e-4, scales=SCALES),
        work=options.work,
        seed=options.seed,
    )


def group_loss(scored: Scored, groups: Sequence[Group]) -> torch.Tensor:
    """Returns cross-entropy over each answered group, that of each pair, and that of the cosines.

    Args:
        scored: the candidates of the first group, then of the second, ...
        groups: the groups.
    """
    functional, logits = torch.nn.functional, scored.logits
    targets = torch.zeros_like(logits)
    ranking, start = logits.new_zeros(()), 0
    for group in groups:
        end = start + len(group.candidates)
        if group.answered:
            targets[start] = 1.0
            ranking = ranking - logits[start:end].log_softmax(0)[0]
        start = end
    weight = 1.0 + 2.0 * targets  # one pair in five is right
    pairs = functional.binary_cross_entropy_with_logits(logits, targets, weight=weight)
    answered = [group for group in groups if group.answered]
    rows = [scored.questions.index(group.question) for group in answered]
    columns = torch.tensor([scored.passages.index(group.candidates[0]) for group in answered])
    contrast = functional.cross_entropy(
        CONTRAST_SCALE * scored.cosines[rows], columns.long(), reduction="sum"
    )
    return pairs + (ranking + CONTRAST_WEIGHT * contrast) / len(groups)


@torch.inference_mode()
def evaluate(model: LateBertForSequenceClassification, data: Data) -> dict[str, object]:
    """Compares the order with the embedder's among the passages that it finds most similar."""
    places: list[tuple[int, int]] = []
    best: dict[str, list[float]] = {"answered": [], "unanswered": []}
    for row, question in enumerate(data.questions):
        nearest = np.argsort(-data.similarities[row])[:N_RERANKED].tolist()
        logits = score(model, data, [(row, passage) for passage in nearest]).logits
        kind = "unanswered" if question.answer is None else "answered"
        best[kind].append(float(logits.max().sigmoid()))
        if question.answer in nearest:
            place = nearest.index(question.answer)
            places.append((place, int((logits > logits[place]).sum())))
        elif question.answer is not None:
            places.append((N_RERANKED, N_RERANKED))
    return {
        "n": len(places),
        "embedder_first": float(np.mean([a == 0 for a, _ in places])),
        "reranker_first": float(np.mean([b == 0 for _, b in places])),
        "embedder_first_four": float(np.mean([a < 4 for a, _ in places])),
        "reranker_first_four": float(np.mean([b < 4 for _, b in places])),
    } | {
        f"best_score_{kind}_quantiles": np.quantile(scores, QUANTILES).round(3).tolist()
        for kind, scores in best.items()
    }


if __name__ == "__main__":
    raise SystemExit(main())
