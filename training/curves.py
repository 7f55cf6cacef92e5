"""Draws loss and held-out scores over the steps as a small PNG."""

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

SMOOTHED_STEPS = 15


def draw_curves(history: list[dict[str, float]], path: Path) -> None:
    """Writes one picture: the training loss on the left, shares of right answers on the right."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    losses = np.array([record["loss"] for record in history])
    window = min(SMOOTHED_STEPS, max(len(losses), 1))
    if len(losses):
        smooth = np.convolve(losses, np.ones(window) / window, mode="valid")
        left.plot(np.arange(len(smooth)) + window, smooth)
    left.set(xlabel="step", ylabel="weighted cross-entropy, nats", title="training")
    for name in ("written_answered", "written_cited", "written_declined", "prose_answered"):
        points = [(r["step"], r[name]) for r in history if name in r]
        if points:
            right.plot(*zip(*points, strict=True), label=name.replace("_", ", "))
    right.set(xlabel="step", ylim=(0, 1), title="held-out share right")
    if right.lines:
        right.legend(fontsize=8)
    figure.savefig(path, dpi=80)
    plt.close(figure)
