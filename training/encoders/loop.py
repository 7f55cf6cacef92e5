"""The training loop of the small classifiers: seeded, resumable, with progress and curves.

It knows batches and a loss, not what is learnt.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long and how fast to learn.

    Attributes:
        learning_rate: Peak of AdamW's rate, reached after the warm-up, then linearly to zero.
        warmup: Share of the steps that warm up.
        weight_decay: AdamW's.
        checkpoint_every_s: Seconds between two checkpoints.
        scales: Prefix of a parameter's name -> factor of its learning rate.
    """

    learning_rate: float = 1e-4
    warmup: float = 0.06
    weight_decay: float = 0.01
    checkpoint_every_s: float = 120.0
    scales: Mapping[str, float] = field(default_factory=dict)

    def factor(self, step: int, n_steps: int) -> float:
        """Return the share of the peak rate at a step."""
        warm = max(1, int(self.warmup * n_steps))
        return min((step + 1) / warm, max(0.0, (n_steps - step) / max(1, n_steps - warm)))


def train(
    model: torch.nn.Module,
    batches: Sequence[list[int]],
    loss_of: Callable[[list[int]], torch.Tensor],
    *,
    schedule: Schedule,
    work: Path,
    seed: int,
) -> list[float]:
    """Run every batch once, in order, and return the loss of each step.

    A run that was interrupted goes on from its last checkpoint in `work` and gives the losses
    that it would have given: dropout's generator is seeded anew at every step.

    Args:
        model: What learns; parameters with `requires_grad` only.
        batches: Row numbers of each step.
        loss_of: Gives the loss of one batch.
        schedule: Rates and checkpoints.
        work: Folder of checkpoints and of the log.
        seed: Of dropout.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = _groups(model, schedule)
    optimizer = torch.optim.AdamW(groups, weight_decay=schedule.weight_decay, betas=(0.9, 0.98))
    work.mkdir(parents=True, exist_ok=True)
    losses = _resume(model, optimizer, work / "checkpoint.pt")
    saved_at = started_at = time.monotonic()
    first = len(losses)
    model.train()
    for step in range(first, len(batches)):
        torch.manual_seed(seed + step)
        for group in optimizer.param_groups:
            rate = schedule.learning_rate * schedule.factor(step, len(batches))
            group["lr"] = rate * group["scale"]
        loss = loss_of(batches[step])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        losses.append(loss.item())
        if (step + 1) % 50 == 0 or step + 1 == len(batches):
            _report(losses, len(batches), (time.monotonic() - started_at) / (step + 1 - first))
        if time.monotonic() - saved_at > schedule.checkpoint_every_s:
            _checkpoint(model, optimizer, losses, work / "checkpoint.pt")
            saved_at = time.monotonic()
    _checkpoint(model, optimizer, losses, work / "checkpoint.pt")
    (work / "losses.json").write_text(json.dumps([round(loss, 5) for loss in losses]))
    model.eval()
    return losses


def _groups(model: torch.nn.Module, schedule: Schedule) -> list[dict[str, Any]]:
    """Returns the trained parameters, grouped by the factor of their learning rate."""
    groups: dict[float, list[torch.nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            scale = next((v for k, v in schedule.scales.items() if name.startswith(k)), 1.0)
            groups.setdefault(scale, []).append(parameter)
    return [{"params": params, "scale": scale, "lr": 0.0} for scale, params in groups.items()]


def _report(losses: list[float], n_steps: int, step_s: float) -> None:
    """Print where the run is and how long it will still take."""
    recent = sum(losses[-50:]) / len(losses[-50:])
    left_s = (n_steps - len(losses)) * step_s
    print(f"step {len(losses)}/{n_steps}  loss {recent:.4f}  {left_s:.0f} s left", flush=True)


def _checkpoint(
    model: torch.nn.Module, optimizer: torch.optim.Optimizer, losses: list[float], file: Path
) -> None:
    """Write the state of the run, whole or not at all."""
    trained = {n: p.detach() for n, p in model.named_parameters() if p.requires_grad}
    scratch = file.with_suffix(".part")
    torch.save({"model": trained, "optimizer": optimizer.state_dict(), "losses": losses}, scratch)
    scratch.rename(file)


def _resume(model: torch.nn.Module, optimizer: torch.optim.Optimizer, file: Path) -> list[float]:
    """Load the last checkpoint where there is one, and return the losses so far."""
    if not file.exists():
        return []
    state = torch.load(file, weights_only=True)
    model.load_state_dict(state["model"], strict=False)
    optimizer.load_state_dict(state["optimizer"])
    losses: list[float] = state["losses"]
    print(f"resumed after step {len(losses)}", flush=True)
    return losses


def draw_curve(losses: Sequence[float], file: Path, *, title: str, window: int = 50) -> None:
    """Draw the loss, averaged over a window of steps, as a small PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    window = max(1, min(window, len(losses) // 4))
    smooth = [
        sum(losses[max(0, end - window) : end]) / min(window, end)
        for end in range(1, len(losses) + 1)
    ]
    figure, axes = pyplot.subplots(figsize=(6, 3.2))
    axes.plot(smooth)
    axes.set(title=title, xlabel="step", ylabel=f"loss, mean of {window} steps", yscale="log")
    axes.grid(visible=True, alpha=0.3)
    figure.tight_layout()
    figure.savefig(file, dpi=90)
    pyplot.close(figure)
