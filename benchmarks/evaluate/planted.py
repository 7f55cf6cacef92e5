"""Holds the gate to planted regressions: `python -m benchmarks.evaluate.planted`.

Serves this checkout as `make serve` does, uploads the exam's documents, and runs
`benchmarks.evaluate` over its questions of one fact or none:

    unchanged        again and again (`--repeats`), each time in comparison with the first run
    low threshold    with a `rerank_threshold` of 0.02
    worse reranker   with the bundled reranker, whose last weights are turned round

Exit status: 0 the gate passes every repeat and fails both plants; 1 it does not; 2 the checkout
cannot be served or asked; 130 interrupted. 20 repeats take about half an hour on two cores.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from openai import OpenAI
from rich.console import Console
from rich.table import Table
from safetensors.torch import load_file, save_file

from benchmarks.checkout import CheckoutError, ServedCheckout, exit_status
from benchmarks.exam.asking import upload
from benchmarks.exam.documents import build
from benchmarks.exam.questions import read_questions
from benchmarks.progress import progress_bar
from deployments.state import models_folder
from models.bundled.prepare import STAMP, prepare

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("single", "absent", "near_miss")
DROPS = {"facts": 0.02, "declined": 0.02, "recall": 0.02}
_LOW_THRESHOLD = 0.02
_LAST_WEIGHTS = ("classifier.weight", "similarity.weight", "weigh.weight")

Edit = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of the gate.

    Attributes:
        version: what was served.
        status: what the command ended with.
        lost: what it said of the limits that were not kept.
    """

    version: str
    status: int
    lost: tuple[str, ...]


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    options = _options(arguments)
    console = Console()
    sys.exit(exit_status(lambda: _run(options, console), console))


def _run(options: argparse.Namespace, console: Console) -> bool:
    runs: list[Run] = []
    with tempfile.TemporaryDirectory(prefix="planted-") as name:
        folder = Path(name)
        questions = written_questions(folder / "questions.jsonl", options.limit)
        gate = Gate(questions, folder / "before.json")
        versions = {"unchanged": _nothing, **plants(folder)}
        for version, edit in versions.items():
            console.print(f"starting the system: {version}")
            with _served(edit, folder) as system:
                store = _filled(system, folder / version.replace(" ", "-"))
                if version == "unchanged":
                    gate.keep(system.url, store)
                num_runs = options.repeats if version == "unchanged" else 1
                with progress_bar(version, num_runs) as advance:
                    for _ in range(num_runs):
                        runs.append(gate.run(version, system.url, store))
                        advance(1)
    console.print(_table(runs))
    wrong = judged(runs)
    for one in wrong:
        console.print(one, style="red", markup=False, highlight=False)
    if options.out:
        told = {"runs": [asdict(one) for one in runs], "wrong": wrong}
        options.out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return not wrong


class Gate:
    """The gate over one set of questions.

    Args:
        questions: in our form.
        baseline: where the report of the version before is kept.
    """

    def __init__(self, questions: Path, baseline: Path) -> None:
        self._questions = questions
        self._baseline = baseline

    def keep(self, url: str, store: str) -> None:
        """Measures the version before.

        Raises:
            CheckoutError: the system does not answer.
        """
        self._command(url, store, "--out", str(self._baseline))

    def run(self, version: str, url: str, store: str) -> Run:
        """Measures a version and compares it with the one before.

        Raises:
            CheckoutError: the system does not answer.
        """
        limits = [text for name, most in DROPS.items() for text in ("--drop", f"{name}={most}")]
        ended = self._command(url, store, "--baseline", str(self._baseline), *limits)
        told = [line.strip() for line in ended.stdout.splitlines() if line.startswith("fails: ")]
        return Run(version=version, status=ended.returncode, lost=tuple(told))

    def _command(self, url: str, store: str, *others: str) -> subprocess.CompletedProcess[str]:
        ended = subprocess.run(
            [sys.executable, "-m", "benchmarks.evaluate", "--base-url", f"{url}/v1",
             "--store", store, "--questions", str(self._questions), "--no-grounding", *others],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if ended.returncode not in (0, 1):
            told = (ended.stdout + ended.stderr)[-2000:]
            raise CheckoutError(f"benchmarks.evaluate ended with {ended.returncode}:\n{told}")
        return ended


def written_questions(target: Path, limit: int | None) -> Path:
    """Writes the exam's questions of one fact or none, of its half to develop with."""
    asked = read_questions(("dev",), KINDS)
    step = max(1, len(asked) // limit) if limit else 1  # some of every kind
    rows = [
        {
            "id": one.id, "question": one.turns[0], "documents": one.documents, "facts": one.facts,
            "expect": one.expect,
        }
        for one in asked[::step][:limit]
    ]  # fmt: skip
    target.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return target


def plants(folder: Path) -> Mapping[str, Edit]:
    """Gives the changes of a config that make it worse; models are written into the folder."""
    return {
        "low threshold": _edited("Gateway", retrieval={"rerank_threshold": _LOW_THRESHOLD}),
        "worse reranker": _edited("Reranker", model=str(turned_round(folder / "turned-round"))),
    }


def turned_round(target: Path) -> Path:
    """Writes the bundled reranker with the sign of its last weights changed."""
    shutil.copytree(prepare("reranker", models_folder()), target)
    (target / STAMP).unlink(missing_ok=True)
    weights = load_file(target / "model.safetensors")
    save_file(
        {name: -one if name in _LAST_WEIGHTS else one for name, one in weights.items()},
        target / "model.safetensors",
        metadata={"format": "pt"},
    )
    return target


def _edited(deployment: str, **changes: Any) -> Edit:
    def edit(config: dict[str, Any]) -> None:
        for one in config["applications"][0]["deployments"]:
            if one["name"] == deployment:
                for name, value in changes.items():
                    known = one["user_config"].get(name)
                    is_deeper = isinstance(known, dict)
                    one["user_config"][name] = known | value if is_deeper else value

    return edit


def _nothing(config: dict[str, Any]) -> None:
    """What is shipped."""


def _served(edit: Edit, folder: Path) -> ServedCheckout:
    empty = folder / "empty"
    empty.mkdir(exist_ok=True)
    return ServedCheckout(path=ROOT, documents=empty, edit=edit)


def _filled(system: ServedCheckout, folder: Path) -> str:
    """Uploads the exam's documents into a new store.

    Raises:
        CheckoutError: one of them is not read.
    """
    folder.mkdir()
    client = OpenAI(base_url=f"{system.url}/v1", api_key=system.key, timeout=300)
    store = upload(client, build(folder))
    if store.unread:
        raise CheckoutError(f"not read: {', '.join(store.unread)}")
    return store.id


def judged(runs: Sequence[Run]) -> list[str]:
    """Says where the gate was wrong."""
    passed = [one for one in runs if one.version == "unchanged" and not one.status]
    num_repeats = sum(one.version == "unchanged" for one in runs)
    wrong = []
    if len(passed) < num_repeats:
        wrong.append(f"{num_repeats - len(passed)} of {num_repeats} repeats failed")
    wrong += [
        f"{one.version}: the gate passed it"
        for one in runs
        if one.version != "unchanged" and not one.status
    ]
    return wrong


def _table(runs: Sequence[Run]) -> Table:
    table = Table("version", "runs", "passed", "what the gate said")
    for version in dict.fromkeys(one.version for one in runs):
        of_it = [one for one in runs if one.version == version]
        told = dict.fromkeys(text for one in of_it for text in one.lost)
        num_passed = sum(not one.status for one in of_it)
        table.add_row(version, str(len(of_it)), str(num_passed), "\n".join(told))
    return table


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.evaluate.planted", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    option = parser.add_argument
    option("--repeats", type=int, default=20, help="of what is unchanged (%(default)s)")
    option("--limit", type=int, help="ask so many questions of every kind alike")
    option("--out", type=Path, help="write the runs as JSON")
    options = parser.parse_args(arguments)
    for name in ("repeats", "limit"):
        if (value := getattr(options, name)) is not None and value < 1:
            parser.error(f"--{name} must be at least 1, got {value}")
    return options


if __name__ == "__main__":
    main()
