"""`python -m benchmarks.scaling`: a step of load up and down, by two policies of scaling.

Real Gateway and Serve on one node, a simulated generator with few slots and a small KV cache, so
that long questions fill it long before its slots. The same load runs under Serve's own policy (by
requests) and under `deployments.scaling.LoadPolicy` (by tokens, cache and slots), with the same
bounds and delays. It takes about 4 minutes.
"""

import argparse
import asyncio
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from chaos.errors import TargetError
from chaos.fleet import Fleet
from chaos.load import ChatCall, Load, Outcome, chat_calls
from cluster.interrupts import interruptible

SLOTS, CACHE_TOKENS, TOKENS_PER_S = 8, 4000, 20.0
_PROMPT_WORDS, _ANSWER_TOKENS = 900, 64
_MAX_REPLICAS = 6
_SAMPLE_S = 0.5
POLICY: Mapping[str, Any] = {
    "policy_function": "deployments.scaling:LoadPolicy",
    "policy_kwargs": {"tokens": 2800, "cache_use": 0.7},
}
SERVES_OWN: Mapping[str, Any] = {
    "policy_function": "ray.serve.autoscaling_policy:default_autoscaling_policy",
    "policy_kwargs": {},
}

POLICIES: Mapping[str, Mapping[str, Any]] = {"serve": SERVES_OWN, "load": POLICY}


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What a run of load did.

    Attributes:
        outcomes: of all requests.
        counts: (seconds from the start of the load, running replicas), in order.
    """

    outcomes: Sequence[Outcome]
    counts: Sequence[tuple[float, int]]

    def reached_s(self, replicas: int) -> float | None:
        """When there were so many replicas first; None: never."""
        return next((at_s for at_s, count in self.counts if count >= replicas), None)

    @property
    def most(self) -> int:
        """Replicas that ran at once."""
        return max(count for _, count in self.counts)

    @property
    def lost(self) -> list[str]:
        """Why requests failed."""
        return [one.failure for one in self.outcomes if one.failure is not None]

    def latency_s(self, share: float) -> float:
        """So large a share of the answers were whole after so many seconds."""
        times = [one.ended_s - one.sent_s for one in self.outcomes]
        return statistics.quantiles(times, n=100)[round(share * 100) - 1]


def changes(policy: Mapping[str, Any], **scaling: float) -> dict[str, dict[str, Any]]:
    """One replica of everything on one node, and a generator that is scaled by this policy."""
    one = {"autoscaling_config": {"min_replicas": 1, "max_replicas": 1}}
    names = ("Gateway", "Embedder", "Retriever", "Reranker", "SafetyFilter")
    limits = {
        "min_replicas": 1, "max_replicas": _MAX_REPLICAS, "target_ongoing_requests": 6,
        "upscale_delay_s": 2, "downscale_delay_s": 10, "metrics_interval_s": 1,
        "look_back_period_s": 4,
    }  # fmt: skip
    generator: dict[str, Any] = {
        "max_replicas_per_node": 100,
        "autoscaling_config": {"policy": dict(policy), **limits, **scaling},
        "max_ongoing_requests": SLOTS,
        "user_config": {
            "tokens_per_s": TOKENS_PER_S, "max_concurrent_requests": SLOTS,
            "cache_tokens": CACHE_TOKENS,
        },
    }  # fmt: skip
    gateway = {
        **one,
        "user_config": {"timeouts": {"slot_s": 60, "wake_s": 60, "first_token_s": 60}},
    }
    return dict.fromkeys(names, one) | {"Generator": generator, "Gateway": gateway}


def long_questions(*, seed: int, rate: float, seconds: float) -> list[ChatCall]:
    """Questions whose prompts fill the cache of a generator: four of them, of its eight slots."""
    calls = chat_calls(seed=seed, count=round(rate * seconds), rate=rate, max_tokens=_ANSWER_TOKENS)
    for call in calls:
        call.body["messages"][0]["content"] += " word" * _PROMPT_WORDS
    return calls


def needed(rate: float) -> int:
    """Replicas that carry this rate of long questions, by Little's law."""
    at_once = CACHE_TOKENS // (_PROMPT_WORDS + _ANSWER_TOKENS)
    return -(-round(rate * _ANSWER_TOKENS / TOKENS_PER_S) // at_once)


async def watch(fleet: Fleet, calls: Sequence[ChatCall], *, after_s: float = 0.0) -> Watched:
    """Sends the load and counts the generators until `after_s` after its end."""
    load = Load(fleet.url)
    counts: list[tuple[float, int]] = []

    async def count() -> None:
        while True:
            try:
                found = await asyncio.to_thread(fleet.system.replicas, "Generator")
            except TargetError:
                found = ()
            counts.append((load.now_s, len(found)))
            await asyncio.sleep(_SAMPLE_S)

    counting = asyncio.create_task(count())
    outcomes = await load.run(calls)
    await asyncio.sleep(after_s)
    counting.cancel()
    return Watched(outcomes=outcomes, counts=counts)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("--rate", type=float, default=3.0, help="questions a second (default 3)")
    parser.add_argument("--seconds", type=float, default=40.0, help="of load (default 40)")
    parser.add_argument("--policy", choices=POLICIES, help="one of them alone (default: each)")
    options = parser.parse_args()
    if options.rate <= 0 or options.seconds <= 0:
        parser.error("--rate and --seconds must be above 0")
    enough = needed(options.rate)
    table = Table(
        "policy", f"s to {enough} replicas", "most", "overshoot", "p50 s", "p95 s", "lost"
    )
    with interruptible():
        for name in [options.policy] if options.policy else POLICIES:
            with Fleet(num_spot=0, changes=changes(POLICIES[name])) as fleet:
                calls = long_questions(seed=1, rate=options.rate, seconds=options.seconds)
                seen = asyncio.run(watch(fleet, calls, after_s=25))
            table.add_row(name, *_row(seen, enough))
            Console().print(table)


def _row(seen: Watched, enough: int) -> tuple[str, ...]:
    reached = seen.reached_s(enough)
    return (
        "never" if reached is None else f"{reached:.1f}", str(seen.most),
        str(max(seen.most - enough, 0)), f"{seen.latency_s(0.5):.1f}",
        f"{seen.latency_s(0.95):.1f}", str(len(seen.lost)),
    )  # fmt: skip


if __name__ == "__main__":
    main()
