"""Draws a report: every stream a line of dots, every fault a vertical line."""

from pathlib import Path
from typing import Any

from chaos.report import Report

_MOST_STREAMS = 200
_COLOURS = ("#0b6e4f", "#c1292e")  # finished, failed


def draw(report: Report, folder: Path) -> Path:
    """Writes `SCENARIO.png` and gives its path."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{report.scenario}.png"
    figure, (streams, latencies) = plt.subplots(
        2, 1, figsize=(10, 7), sharex=True, height_ratios=(3, 1), layout="constrained"
    )
    _draw_streams(streams, report)
    _draw_latencies(latencies, report)
    for axes in (streams, latencies):
        for fault in report.faults:
            axes.axvline(fault.at_s, color="#444444", linewidth=0.8, linestyle="--")
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path


def _draw_streams(axes: Any, report: Report) -> None:
    step = -(-len(report.run) // _MOST_STREAMS)
    for row, outcome in enumerate(report.run[::step]):
        colour = _COLOURS[0] if outcome.succeeded else _COLOURS[1]
        axes.hlines(row, outcome.sent_s, outcome.ended_s, color=colour, linewidth=0.4, alpha=0.5)
        axes.plot([at_s for at_s, _ in outcome.pieces], [row] * len(outcome.pieces), ".",
                  color=colour, markersize=1.5)  # fmt: skip
    summary = report.summary()
    axes.set_title(
        f"{report.scenario}: {summary['succeeded']} of {summary['sent']} succeeded, "
        f"{len(report.faults)} faults (dashed)"
    )
    every = f" (one in {step})" if step > 1 else ""
    axes.set_ylabel(f"request{every}; a dot is a piece of text")


def _draw_latencies(axes: Any, report: Report) -> None:
    succeeded = [one for one in report.run if one.succeeded]
    axes.plot([one.sent_s for one in succeeded], [one.ended_s - one.sent_s for one in succeeded],
              ".", color=_COLOURS[0], markersize=3)  # fmt: skip
    axes.set_xlabel("seconds since the load began")
    axes.set_ylabel("latency, s")
    axes.set_ylim(bottom=0)
