"""The report of a session on a card: what it ran on, what each test came to, and its figures."""

import json
import os
import platform
import subprocess
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("torch", "transformers", "vllm", "gptqmodel", "llguidance", "ray")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one test came to.

    Attributes:
        outcome: passed, failed or skipped.
        seconds: of its body, or of what was skipped or failed before it.
        why: it did not pass.
        figures: what it measured.
    """

    test: str
    outcome: str
    seconds: float
    why: str = ""
    figures: dict[str, object] = field(default_factory=dict)


def machine():
    """Tells the card, the driver and the versions; of the machine no name."""
    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "card": _of_card("name,memory.total,driver_version"),
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "cuda": _cuda(),
    }


def write_report(folder, told, outcomes, *, exit_status):
    """Writes `gpu-DATE.json` and `.txt`; gives the path of the latter.

    Args:
        folder: made when missing.
        told: what `machine` gives.
        outcomes: in the order of the tests.
        exit_status: of pytest; 2: it was cut.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / f"gpu-{told['when'][:19].replace(':', '')}"
    whole = {"machine": told, "exit_status": exit_status, "tests": list(map(asdict, outcomes))}
    stem.with_suffix(".json").write_text(json.dumps(whole, indent=2) + "\n")
    text = stem.with_suffix(".txt")
    text.write_text("\n".join(_lines(told, outcomes, exit_status)) + "\n")
    return text


def _lines(told, outcomes, exit_status):
    packages = ", ".join(f"{name} {one}" for name, one in told["packages"].items())
    yield f"{told['when']}  {told['card']}, CUDA {told['cuda']}, {told['cpus']} CPUs"
    yield f"Python {told['python']}, {packages}"
    counts = [sum(one.outcome == kind for one in outcomes) for kind in ("passed", "failed")]
    skipped = len(outcomes) - sum(counts)
    cut = ", cut before the end" if exit_status == 2 else ""
    yield f"{counts[0]} passed, {counts[1]} failed, {skipped} skipped{cut}"
    yield ""
    for one in outcomes:
        yield f"{one.outcome:8}{one.seconds:8.1f} s  {one.test}"
        yield from (f"{'':19}{name}: {value}" for name, value in one.figures.items())
        if one.why:
            yield f"{'':19}{one.why.strip().splitlines()[-1]}"


def _of_card(fields):
    command = ["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader", "--id=0"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return "no card"
    return done.stdout.strip()


def _cuda():
    import torch

    return torch.version.cuda


def _version(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return None
