r"""Train the bundled judge of answers: does this sentence answer this question, or only touch it?

    python -m training.encoders.judge --work FOLDER
    python -m training.encoders.judge --work OTHER --start models/bundled/judge --margin 1.5 \
        --share 0.5 --learning-rate 6e-5 --seed 23

A cross-encoder: all six layers of MiniLM see question and sentence together; the lowest two never
change, so their states of every pair are computed once.

The second command goes on from a trained judge with newly drawn pairs, and learns only from those
that it does not tell by the margin, and a share of the others.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import BertForSequenceClassification

from models.bundled.prepare import BUNDLED
from models.embedder import Embedder, EmbedderConfig
from training.encoders import minilm
from training.encoders.judge_examples import Pair, fact_pairs, table_pairs, written_pairs
from training.encoders.loop import Schedule, draw_curve
from training.facts import FactMaker
from training.written import FOLDER, read_documents

SHAPE = minilm.Shape(n_layers=6, n_trained=4)
MAX_TOKENS = 96
N_FACTS, N_ROWS, SHARE_ASKED = 2000, 1200, 0.5
SHARE_EASY = 0.15  # of the pairs that are told by the margin, which are learnt from too
POSITIVE_WEIGHT = 2.0  # three pairs of four are wrong
SCALES = {"classifier.": 5.0}


def main(arguments: Sequence[str] | None = None) -> int:
    """Train from a seed; write the trained tensors, the curve and numbers on unseen documents."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="checkpoints; resumes from them")
    parser.add_argument("--cache", type=Path, required=True, help="of assembled models")
    parser.add_argument("--out", type=Path, default=BUNDLED / "judge", help="the shipped folder")
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--start", type=Path, help="folder of trained tensors to go on from")
    parser.add_argument("--margin", type=float, help="learn what is not told by so many logits")
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--share", type=float, default=1.0, help="of the training documents")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--batch-tokens", type=int, default=1536)
    parser.add_argument("--documents", type=int, help="use only the first, for a check")
    parser.add_argument("--max-steps", type=int, help="stop early, for the same")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    model = minilm.classifier(SHAPE, ["answers"], problem="multi_label_classification")
    if options.start:
        minilm.load_trained(model, options.start)
    losses = fit(model, pairs(options, evaluation=False), options)
    minilm.save_trained(model, options.out)
    draw_curve(losses, options.out / "curve.png", title="judge of answers")
    report = evaluate(model, pairs(options, evaluation=True))
    print(json.dumps(report, indent=2))
    (options.work / "unseen.json").write_text(json.dumps(report, indent=2) + "\n")
    return 0


def pairs(options: argparse.Namespace, *, evaluation: bool) -> list[Pair]:
    """Draws the pairs of one side of the split."""
    rng = random.Random(options.seed + evaluation)
    config = EmbedderConfig(model="bundled:embedder", engine="onnx")
    embedder = Embedder(config, cache=options.cache)

    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        return embedder.embed(texts).vectors

    documents = read_documents(evaluation=evaluation)[: options.documents]
    if not evaluation:
        documents = rng.sample(documents, round(options.share * len(documents)))
    share = len(documents) / 600
    found = list(written_pairs(documents, embed, rng, share_asked=SHARE_ASKED))
    maker = FactMaker(FOLDER.parent / "facts.txt")
    found += fact_pairs(maker, rng, int(share * N_FACTS))
    found += table_pairs(rng, int(share * N_ROWS))
    return found


def states_of(model: BertForSequenceClassification, chosen: Sequence[Pair]) -> list[minilm.Hidden]:
    """Returns the frozen layers' output for each pair."""
    encoded = minilm.tokenizer()(
        [one.question for one in chosen],
        [one.text for one in chosen],
        truncation="only_second",
        return_token_type_ids=True,
        max_length=MAX_TOKENS,
    )
    rows = list(zip(encoded["input_ids"], encoded["token_type_ids"], strict=True))
    print(f"{len(rows)} pairs, {sum(len(ids) for ids, _ in rows)} tokens", flush=True)
    return minilm.lower_states(model, rows, n_frozen=SHAPE.n_frozen)


def fit(
    model: BertForSequenceClassification, chosen: Sequence[Pair], options: argparse.Namespace
) -> list[float]:
    """Computes the frozen layers' output once, then trains the upper ones on it."""
    states = states_of(model, chosen)
    if options.margin is not None:
        rows = hard_rows(model, states, chosen, options)
        states, chosen = [states[row] for row in rows], [chosen[row] for row in rows]
    targets = torch.tensor([[float(one.answers)] for one in chosen])
    return minilm.fit_upper(
        model,
        states,
        targets,
        n_frozen=SHAPE.n_frozen,
        positive_weight=POSITIVE_WEIGHT,
        batch_tokens=options.batch_tokens,
        schedule=Schedule(learning_rate=options.learning_rate, scales=SCALES),
        options=options,
    )


def hard_rows(
    model: BertForSequenceClassification,
    states: Sequence[minilm.Hidden],
    chosen: Sequence[Pair],
    options: argparse.Namespace,
) -> list[int]:
    """Gives the pairs that the model does not tell by `options.margin`, and some of the others."""
    rng = random.Random(options.seed)
    signs = np.asarray([1.0 if one.answers else -1.0 for one in chosen])
    told = signs * logits_of(model, states) >= options.margin
    rows = [row for row, is_told in enumerate(told) if not is_told or rng.random() < SHARE_EASY]
    print(f"{np.sum(~told)} pairs are hard, {len(rows)} are learnt from", flush=True)
    return rows


@torch.inference_mode()
def logits_of(
    model: BertForSequenceClassification, states: Sequence[minilm.Hidden]
) -> NDArray[np.float64]:
    """Returns the logit of each pair, float64, (n_pairs,)."""
    model.eval()
    found = np.zeros(len(states))
    for batch in minilm.batches_by_length([len(s) for s in states], batch_tokens=4096):
        logits = minilm.upper_logits(model, [states[row] for row in batch], n_frozen=SHAPE.n_frozen)
        found[batch] = logits[:, 0].numpy()
    return found


def evaluate(model: BertForSequenceClassification, chosen: Sequence[Pair]) -> dict[str, float]:
    """Tells how well the score tells right pairs from wrong ones of each kind, AUROC."""
    scores = logits_of(model, states_of(model, chosen))
    right = scores[[one.answers for one in chosen]]
    kinds = sorted({one.kind for one in chosen} - {"answer"})
    wrong = {kind: scores[[one.kind == kind for one in chosen]] for kind in kinds}
    return {kind: float(np.mean(right[:, None] > of[None, :])) for kind, of in wrong.items()}


if __name__ == "__main__":
    raise SystemExit(main())
