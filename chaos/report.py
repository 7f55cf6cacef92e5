"""What a run shows: counts, percentiles, lost and doubled words, faults with their proofs."""

import difflib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from chaos.load import Outcome


def percentile(values: Sequence[float], percent: float) -> float:
    """Gives the nearest-rank percentile: the least value that `percent` % do not exceed.

    Raises:
        ValueError: no value, or `percent` outside 0..100.
    """
    if not values or not 0 <= percent <= 100:
        msg = f"need values and a percentage in 0..100, got {len(values)} values and {percent}"
        raise ValueError(msg)
    rank = max(math.ceil(percent / 100 * len(values)), 1)
    return sorted(values)[rank - 1]


@dataclass(frozen=True, kw_only=True)
class Spread:
    """How a quantity is distributed, in seconds."""

    p50: float
    p99: float
    max: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread | None":
        """Gives the spread; None without values."""
        if not values:
            return None
        return cls(p50=percentile(values, 50), p99=percentile(values, 99), max=max(values))


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How an answer differs from the undisturbed one, in words; the simulated token is a word."""

    num_lost: int
    num_doubled: int


def difference(expected: str, got: str) -> Difference:
    """Aligns two answers; what was replaced counts as both, lost and added."""
    wanted, words = expected.split(), got.split()
    matcher = difflib.SequenceMatcher(a=wanted, b=words, autojunk=False)
    num_common = sum(block.size for block in matcher.get_matching_blocks())
    return Difference(num_lost=len(wanted) - num_common, num_doubled=len(words) - num_common)


@dataclass(frozen=True, kw_only=True)
class Exactness:
    """How the answers of a run compare with those of its control run.

    Attributes:
        num_exact: same text, same usage, same finish reason.
        num_compared: answers that both runs have.
        num_lost: words missing, over all answers; those of an answer that broke off count.
        num_doubled: words too many, over all answers.
        differing: keys of the answers that are not exact.
    """

    num_exact: int
    num_compared: int
    num_lost: int
    num_doubled: int
    differing: tuple[str, ...]


def compare(control: Sequence[Outcome], run: Sequence[Outcome]) -> Exactness:
    """Compares a run with its undisturbed control, answer by answer.

    Raises:
        ValueError: an answer of the control run failed, or the keys differ.
    """
    expected = {outcome.key: outcome for outcome in control}
    broken = [outcome.key for outcome in control if not outcome.succeeded]
    if broken or set(expected) != {outcome.key for outcome in run}:
        msg = f"the control run cannot serve as one; its failures: {broken[:5]}"
        raise ValueError(msg)
    differences, differing = [], []
    for got in run:
        wanted = expected[got.key]
        differences.append(difference(wanted.text, got.text))
        if _ending(got) != _ending(wanted) or got.text != wanted.text:
            differing.append(got.key)
    return Exactness(
        num_exact=len(run) - len(differing),
        num_compared=len(run),
        num_lost=sum(one.num_lost for one in differences),
        num_doubled=sum(one.num_doubled for one in differences),
        differing=tuple(differing),
    )


def _ending(outcome: Outcome) -> tuple[str | None, int | None]:
    return outcome.finish_reason, outcome.num_tokens


@dataclass(kw_only=True)
class Fault:
    """One fault that was injected.

    Attributes:
        at_s: when, in seconds from the start of the load.
        proof: what shows that it happened.
        recovered_s: how long until all replicas were back; None: not waited for.
    """

    kind: str
    target: str
    at_s: float
    proof: str
    recovered_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that must be seen."""

    name: str
    passed: bool
    seen: str


@dataclass(kw_only=True)
class Report:
    """All that one scenario showed."""

    scenario: str
    seed: int
    run: list[Outcome] = field(default_factory=list)
    control: list[Outcome] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    num_migrated: int | None = None
    figures: dict[str, float] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether everything was seen that must be; a report without checks proves nothing."""
        return bool(self.checks) and all(check.passed for check in self.checks)

    def check(self, name: str, passed: bool, seen: object) -> None:
        """Notes whether something was seen."""
        self.checks.append(Check(name=name, passed=passed, seen=str(seen)))

    def summary(self) -> dict[str, Any]:
        """Gives the figures of the run, ready for JSON."""
        failures = [f"{one.key}: {one.failure}" for one in self.run if not one.succeeded]
        recoveries = [one.recovered_s for one in self.faults if one.recovered_s is not None]
        return {
            "scenario": self.scenario,
            "seed": self.seed,
            "passed": self.passed,
            "sent": len(self.run),
            "succeeded": len(self.run) - len(failures),
            "rejected": sum(one.rejected for one in self.run),
            "migrated": self.num_migrated,
            "reconnected": sum(one.num_reconnects > 0 for one in self.run),
            **self._compared(),
            "latency_s": _spread([one.ended_s - one.sent_s for one in self.run if one.succeeded]),
            "quiet_latency_s": _spread([one.ended_s - one.sent_s for one in self.control]),
            "stall_s": _spread([one.longest_stall_s for one in self.run if one.succeeded]),
            "quiet_stall_s": _spread([one.longest_stall_s for one in self.control]),
            "recovery_s": _spread(recoveries),
            **self.figures,
            "faults": [asdict(one) for one in self.faults],
            "checks": [asdict(one) for one in self.checks],
            "failures": failures[:20],
        }

    def _compared(self) -> Mapping[str, int]:
        if not self.control or {one.key for one in self.control} != {one.key for one in self.run}:
            return {}
        found = compare(self.control, self.run)
        return {
            "exact": found.num_exact,
            "lost_tokens": found.num_lost,
            "doubled_tokens": found.num_doubled,
        }

    def write(self, folder: Path) -> Path:
        """Writes `SCENARIO.json` and gives its path."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.scenario}.json"
        path.write_text(json.dumps(self.summary(), indent=2) + "\n")
        return path


def _spread(values: Sequence[float]) -> dict[str, float] | None:
    spread = Spread.of(values)
    return None if spread is None else {k: round(v, 3) for k, v in asdict(spread).items()}
