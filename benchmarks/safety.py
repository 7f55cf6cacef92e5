"""Measure a safety classifier: AUROC and recall per category, false positives per kind of text.

The texts are judged as the server judges them, `models/safety.py`: rules and classifier.

python -m benchmarks.safety --model .ragfleet/models/safety --documentation PARAGRAPHS.jsonl
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

HELD_OUT = Path(__file__).resolve().parent / "data" / "safety_held_out.jsonl"
Scores = NDArray[np.float32]


def main(arguments: Sequence[str] | None = None) -> int:
    """Score the held-out texts, print the table and write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, help="a text-classification folder; the bundled one")
    parser.add_argument("--threshold", type=float, default=0.5)
    parser.add_argument("--documentation", type=Path, help="JSONL with harmless paragraphs")
    parser.add_argument("--out", type=Path, help="write the numbers as JSON")
    parser.add_argument("--show", action="store_true", help="print each wrong verdict")
    options = parser.parse_args(arguments)
    rows = [json.loads(line) for line in HELD_OUT.read_text(encoding="utf-8").splitlines()]
    labels, scores = scores_of(options.model, [row["text"] for row in rows])
    report = measure(rows, labels, scores, threshold=options.threshold)
    if options.show:
        show_errors(rows, scores, threshold=options.threshold)
    if options.documentation:
        windows = documentation_windows(options.documentation, n_windows=2000, seed=1)
        flagged = scores_of(options.model, windows)[1].max(axis=1) >= options.threshold
        report["documentation_false_positive_rate"] = float(flagged.mean())
        if options.show:
            print("\n".join(text for text, bad in zip(windows, flagged, strict=True) if bad))
    print_report(report)
    if options.out:
        options.out.write_text(json.dumps(report, indent=2) + "\n")
    return 0


def scores_of(model: Path | None, texts: Sequence[str]) -> tuple[list[str], Scores]:
    """Return the labels and each text's scores, float32, (n_texts, n_labels), in [0, 1]."""
    from deployments.state import models_folder
    from models.safety import PERSONAL_DATA, SafetyClassifier, SafetyConfig

    folder = "bundled:safety" if model is None else str(model.resolve())
    classifier = SafetyClassifier(SafetyConfig(model=folder), cache=models_folder())
    verdicts = [
        verdict
        for start in range(0, len(texts), 64)
        for verdict in classifier.classify(texts[start : start + 64])
    ]
    labels = [label for label in verdicts[0].scores if label != PERSONAL_DATA]
    rows = [[verdict.scores[label] for label in labels] for verdict in verdicts]
    return labels, np.asarray(rows, dtype=np.float32)


def measure(
    rows: Sequence[dict[str, object]], labels: Sequence[str], scores: Scores, *, threshold: float
) -> dict[str, object]:
    """Return AUROC and recall per label, and the false-positive rate per kind and in all."""
    truth = np.array([[label in row["labels"] for label in labels] for row in rows])  # type: ignore[operator]
    harmless = ~truth.any(axis=1)
    flagged = scores.max(axis=1) >= threshold
    kinds = np.array([str(row["kind"]) for row in rows])
    return {
        "n_texts": len(rows),
        "n_harmless": int(harmless.sum()),
        "threshold": threshold,
        "labels": {
            label: {
                "n": int(truth[:, column].sum()),
                "auroc": auroc(truth[:, column], scores[:, column]),
                "recall": float((scores[truth[:, column], column] >= threshold).mean()),
                "false_positive_rate": float(
                    (scores[~truth[:, column], column] >= threshold).mean()
                ),
            }
            for column, label in enumerate(labels)
        },
        "flagged_of_harmful": float(flagged[~harmless].mean()),
        "false_positive_rate": float(flagged[harmless].mean()),
        "false_positives_by_kind": {
            str(kind): f"{int(flagged[kinds == kind].sum())}/{int((kinds == kind).sum())}"
            for kind in dict.fromkeys(kinds[harmless])
        },
    }


def auroc(truth: NDArray[np.bool_], scores: Scores) -> float:
    """Return how often a true text scores above a false one (ties count half)."""
    true, false = scores[truth][:, None], scores[~truth][None, :]
    return float((true > false).mean() + 0.5 * (true == false).mean())


def documentation_windows(file: Path, *, n_windows: int, seed: int) -> list[str]:
    """Return windows of 10 to 60 words of harmless documentation, as a stream would be checked."""
    with file.open(encoding="utf-8") as lines:
        texts = [json.loads(line)["paragraph"].split() for line in lines]
    rng = random.Random(seed)
    texts = rng.sample([words for words in texts if len(words) >= 10], n_windows)
    starts = [rng.randrange(len(words) - 9) for words in texts]
    return [
        " ".join(words[start : start + rng.randint(10, 60)])
        for words, start in zip(texts, starts, strict=True)
    ]


def show_errors(rows: Sequence[dict[str, object]], scores: Scores, *, threshold: float) -> None:
    """Print the texts whose verdict, flagged or not, is wrong."""
    for row, score in zip(rows, scores.max(axis=1), strict=True):
        if (score >= threshold) != bool(row["labels"]):
            print(f"{score:.2f} {row['kind']}: {row['text']}")


def print_report(report: dict[str, object]) -> None:
    """Print the numbers as a table."""
    print("| category | texts | AUROC | recall | false positives |\n|---|---|---|---|---|")
    for label, row in report["labels"].items():  # type: ignore[attr-defined]
        print(
            f"| {label} | {row['n']} | {row['auroc']:.3f} | {row['recall']:.0%} "
            f"| {row['false_positive_rate']:.1%} |"
        )
    print({key: value for key, value in report.items() if key != "labels"})


if __name__ == "__main__":
    raise SystemExit(main())
