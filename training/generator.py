"""Trains the bundled generator from its rows (`corpus.py`) and exports it for transformers.

`python -m training.generator DATA OUT` prints loss and tokens/s, writes a checkpoint
every few minutes, goes on from it when started again, and draws `curves.png` beside the model.
"""

import argparse
import json
import logging
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from training.corpus import EVALUATIONS
from training.curves import draw_curves
from training.muon import Muon
from training.network import Network, Size, to_transformers
from training.questions import STOP_WORDS
from training.scores import Rows, evaluate, loss_of

logger = logging.getLogger(__name__)
NOT_CONTENT = STOP_WORDS | {"question"}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What decides the result, beside the rows."""

    seed: int = 7
    steps: int = 1400
    rows_per_step: int = 8
    rows_per_pass: int = 4
    muon_rate: float = 0.015
    writing_rate: float = 0.006  # of what writes into the residual stream
    embedding_rate: float = 0.01
    norm_rate: float = 1.5e-3
    guide_weight: float = 0.2
    warm_up_steps: int = 15
    decay_from: float = 0.5  # share of the run after which the rates fall linearly to zero
    stage_ends: tuple[float, ...] = (0.45, 0.8, 1.0)  # shares of the run


def initialise_embedding(network: Network, tokenizer: Tokenizer, folder: Path) -> None:
    """Starts the embedding from MiniLM's word embeddings (Apache-2.0), projected to our width.

    Args:
        network: its embedding is overwritten; rows without a counterpart keep their noise.
        tokenizer: ours.
        folder: all-MiniLM-L6-v2, with `model.safetensors` and `tokenizer.json`.
    """
    words = load_file(folder / "model.safetensors")["embeddings.word_embeddings.weight"].float()
    pieces = Tokenizer.from_file(str(folder / "tokenizer.json"))
    pieces.no_padding()
    pieces.no_truncation()
    found, vectors = [], []
    for token in range(network.size.vocabulary):
        text = tokenizer.decode([token], skip_special_tokens=False).strip()
        ids = pieces.encode(text, add_special_tokens=False).ids if text else []
        if ids:
            found.append(token)
            vectors.append(words[ids].mean(0))
    stacked = torch.stack(vectors)
    left, values, _ = torch.linalg.svd(stacked - stacked.mean(0), full_matrices=False)
    projected = left[:, : network.size.hidden] * values[: network.size.hidden].sqrt()
    projected *= 0.95 / projected.std()
    with torch.no_grad():
        network.embedding[found] = projected + 0.3 * network.embedding[found]


def content_tokens(tokenizer: Tokenizer) -> Tensor:
    """Marks the tokens that carry meaning: bool, (vocabulary,)."""
    texts = [tokenizer.decode([i]).strip().lower() for i in range(tokenizer.get_vocab_size())]
    return torch.tensor([t.isalnum() and t not in NOT_CONTENT for t in texts])


class Training:
    """One run: everything that a checkpoint holds, and the steps."""

    def __init__(self, recipe: Recipe, data: Path, *, embeddings: Path | None = None) -> None:
        """Builds the network and its optimisers from the seed."""
        torch.manual_seed(recipe.seed)
        tokenizer = Tokenizer.from_file(str(data / "tokenizer" / "tokenizer.json"))
        self.recipe = recipe
        self.network = Network(Size(vocabulary=tokenizer.get_vocab_size()))
        if embeddings is not None:
            initialise_embedding(self.network, tokenizer, embeddings)
        self.network.content = content_tokens(tokenizer)
        self.stages = [Rows(data / f"stage{n}.npz") for n in range(1, len(recipe.stage_ends) + 1)]
        self.optimizers = self._optimizers()
        self.done_steps = 0
        self.rows_read = [0] * len(self.stages)
        self.elapsed_s = 0.0
        self.history: list[dict[str, float]] = []

    def _optimizers(self) -> tuple[torch.optim.Optimizer, ...]:
        recipe, named = self.recipe, dict(self.network.named_parameters())
        writing = [p for n, p in named.items() if n.endswith(("output", "down"))]
        reading = [p for n, p in named.items() if n.endswith(("query_key_value", "gate_up"))]
        norms = [p for n, p in named.items() if "norm" in n]
        muon = Muon(
            [
                {"params": reading, "lr": recipe.muon_rate},
                {"params": writing, "lr": recipe.writing_rate},
            ]
        )
        adam = torch.optim.AdamW(
            [
                {"params": [self.network.embedding], "lr": recipe.embedding_rate},
                {"params": norms, "lr": recipe.norm_rate},
            ],
            betas=(0.9, 0.95),
            weight_decay=0,
        )
        for group in (*muon.param_groups, *adam.param_groups):
            group["full_rate"] = group["lr"]
        return muon, adam

    def step(self, progress: float) -> float:
        """Runs one optimiser step and returns its cross-entropy.

        Args:
            progress: share of the run that lies behind, 0..1; decides the rates and the stage.
        """
        recipe = self.recipe
        stage = next(i for i, end in enumerate(recipe.stage_ends) if progress < end or end == 1.0)
        scale = min(1.0, (1 - progress) / (1 - recipe.decay_from))
        scale *= min(1.0, (self.done_steps + 1) / recipe.warm_up_steps)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["full_rate"] * scale
        total, passes = 0.0, recipe.rows_per_step // recipe.rows_per_pass
        for _ in range(passes):
            batch = self.stages[stage].batch(self.rows_read[stage], recipe.rows_per_pass)
            self.rows_read[stage] += recipe.rows_per_pass
            loss, entropy, _ = loss_of(self.network, batch, recipe.guide_weight)
            (loss / passes).backward()  # type: ignore[no-untyped-call]
            total += float(entropy) / passes
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        self.done_steps += 1
        return total

    def save(self, path: Path) -> None:
        """Writes a checkpoint, whole or not at all."""
        state = {
            "network": self.network.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "done_steps": self.done_steps,
            "rows_read": self.rows_read,
            "elapsed_s": self.elapsed_s,
            "history": self.history,
        }
        torch.save(state, path.with_suffix(".tmp"))
        path.with_suffix(".tmp").replace(path)

    def load(self, path: Path) -> None:
        """Goes on from a checkpoint of `save`."""
        state = torch.load(path, weights_only=True)
        self.network.load_state_dict(state["network"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        for name in ("done_steps", "rows_read", "elapsed_s", "history"):
            setattr(self, name, state[name])


def run(training: Training, out: Path, *, minutes: float | None, data: Path) -> None:
    """Trains to the end of the recipe, or so that the rates reach zero when `minutes` are over."""
    names = EVALUATIONS
    held_out = {name: Rows(data / f"evaluation-{name}.npz") for name in names}
    started = time.monotonic() - training.elapsed_s
    while True:
        progress = training.done_steps / training.recipe.steps
        if minutes is not None:
            progress = max(progress, (time.monotonic() - started) / (60 * minutes))
        if progress >= 1:
            break
        before = time.monotonic()
        entropy = training.step(progress)
        training.elapsed_s = time.monotonic() - started
        record = {"step": training.done_steps, "progress": progress, "loss": entropy}
        if training.done_steps % 10 == 0:
            rate = _tokens_per_step(training, progress) / (time.monotonic() - before)
            logger.info(
                "step %d %.1f %% loss %.3f %.0f tokens/s",
                training.done_steps,
                100 * progress,
                entropy,
                rate,
            )
        if training.done_steps % 50 == 0:
            for name, rows in held_out.items():
                scores = evaluate(training.network, rows, 12)
                logger.info("%s %s", name, json.dumps(scores))
                record |= {f"{name}_{key}": value for key, value in scores.items()}
            training.history.append(record)
            training.save(out / "checkpoint.pt")
        else:
            training.history.append(record)


def _tokens_per_step(training: Training, progress: float) -> int:
    ends = training.recipe.stage_ends
    stage = next(i for i, end in enumerate(ends) if progress < end or end == 1.0)
    return training.recipe.rows_per_step * training.stages[stage].batch(0, 1)["tokens"].shape[1]


def export(training: Training, data: Path, out: Path) -> None:
    """Writes `out/model` for transformers (float32), the scores and the curves."""
    folder = out / "model"
    tokenizer = PreTrainedTokenizerFast.from_pretrained(data / "tokenizer")
    model = to_transformers(
        training.network, end=tokenizer.eos_token_id, pad=tokenizer.pad_token_id
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    scores = {
        name: evaluate(training.network, Rows(data / f"evaluation-{name}.npz"), 96)
        for name in EVALUATIONS
    }
    report = {
        "recipe": asdict(training.recipe),
        "steps": training.done_steps,
        "training_s": round(training.elapsed_s),
        "rows": training.rows_read,
        "held_out": scores,
    }
    (out / "report.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    draw_curves(training.history, out / "curves.png")
    logger.info("exported to %s: %s", folder, json.dumps(scores))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder written by corpus.py")
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=Recipe.steps)
    parser.add_argument("--minutes", type=float, default=None, help="finish within so many minutes")
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--word-embeddings", type=Path, help="all-MiniLM-L6-v2, to start from")
    parser.add_argument("--export-only", action="store_true", help="export the last checkpoint")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(arguments.threads)
    arguments.out.mkdir(parents=True, exist_ok=True)
    recipe = Recipe(seed=arguments.seed, steps=arguments.steps)
    training = Training(recipe, arguments.data, embeddings=arguments.word_embeddings)
    checkpoint = arguments.out / "checkpoint.pt"
    if checkpoint.exists():
        training.load(checkpoint)
        logger.info("going on from step %d", training.done_steps)
    if not arguments.export_only:
        run(training, arguments.out, minutes=arguments.minutes, data=arguments.data)
        training.save(checkpoint)
    export(training, arguments.data, arguments.out)


if __name__ == "__main__":
    main()
