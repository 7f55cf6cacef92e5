"""How many replicas a deployment needs, by the work before it and not by the number of requests.

`LoadPolicy` is named in the YAML, with what one replica should have to do:

    autoscaling_config:
      policy:
        policy_function: deployments.scaling:LoadPolicy
        policy_kwargs: {tokens: 40000, cache_use: 0.7}     # Generator
        policy_kwargs: {queued_s: 0.5, busy: 0.7}          # Embedder, Reranker, SafetyFilter
      target_ongoing_requests: 48                          # of 64: slots are work, too

Replicas tell the signals (`record_autoscaling_stats`); Serve averages each over
`look_back_period_s`, asks the policy in its controller, and puts delays, factors and bounds around
the answer. What waits in a Gateway has reached no replica: it counts as the requests that have.

Serve pickles this module by value, so it imports nothing of ours.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ray.serve.config import AutoscalingContext

GENERATOR_SIGNALS = ("tokens", "cache_use")
ENCODER_SIGNALS = ("queued_s", "busy")
_SATURATES = "busy"  # 1 however many calls wait: what is queued says nothing of it
_ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True)
class LoadPolicy:
    """Asks for so many replicas that none has more to do than its targets; the nearest one counts.

    Slots count beside the targets: requests by `target_ongoing_requests`, which Serve's own policy
    has alone. Far from the targets it goes there in one step. Down it goes to the most that was
    needed during `downscale_delay_s`, not to what is needed in its last moment. Without any request
    it asks for none, which `min_replicas` bounds.

    Attributes:
        tokens: of prompts and answers, queued and running, at one generator.
        cache_use: share of a generator's KV cache that requests hold, 0 to 1.
        queued_s: seconds of work that wait at one encoder.
        busy: share of its time that an encoder works, 0 to 1.
        tolerance: relative distance from the targets within which nothing is changed.
    """

    tokens: float | None = None
    cache_use: float | None = None
    queued_s: float | None = None
    busy: float | None = None
    tolerance: float = 0.1

    def __post_init__(self) -> None:
        """Checks the ranges; a plain ValueError, since the controller cannot import ours."""
        if not self.targets:
            msg = f"one of {', '.join(GENERATOR_SIGNALS + ENCODER_SIGNALS)} must be set, got none"
            raise ValueError(msg)
        for name, value in self.targets.items():
            if name in {"cache_use", "busy"} and not 0 < value <= 1:
                msg = f"{name} must be in (0, 1], got {value}"
                raise ValueError(msg)
            if not 0 < value < math.inf:
                msg = f"{name} must be above 0, got {value}"
                raise ValueError(msg)
        if not 0 <= self.tolerance < 1:
            msg = f"tolerance must be in [0, 1), got {self.tolerance}"
            raise ValueError(msg)

    @property
    def targets(self) -> dict[str, float]:
        """Signal -> what one replica should have of it."""
        every = {name: getattr(self, name) for name in GENERATOR_SIGNALS + ENCODER_SIGNALS}
        return {name: value for name, value in every.items() if value is not None}

    def __call__(self, context: AutoscalingContext) -> tuple[int, dict[str, Any]]:
        """Gives the number of replicas, and what is remembered until Serve asks again."""
        now = context.target_num_replicas
        load = self._load(context)
        if now and abs(load / now - 1) <= self.tolerance:
            load = now
        wanted = math.ceil(load - _ROUNDING)
        if wanted >= now:
            return wanted, {}
        most = max(wanted, context.policy_state.get("most_wanted", 0))
        return (most, {"most_wanted": most}) if most < now else (now, {})

    def _load(self, context: AutoscalingContext) -> float:
        """The replicas that the work would keep at the targets, a fraction included."""
        sums = _sums(context.aggregated_metrics or {})
        requests = context.total_num_requests
        if not requests:
            sums.pop(_SATURATES, None)  # checks of health keep an encoder a little busy
        waiting = _waiting(context)
        loads = [
            sums[name] * (1 if name == _SATURATES else waiting) / target
            for name, target in self.targets.items()
            if name in sums
        ]
        # Whoever has asked needs a replica, however little it is.
        slots = context.config.get_target_ongoing_requests()
        return float(max(*loads, requests / slots, 2 * _ROUNDING if requests else 0.0))


def _sums(told: Mapping[str, Mapping[Any, float]]) -> dict[str, float]:
    """Signal -> its sum over the replicas; one that has just started has told none."""
    return {name: sum(values.values()) for name, values in told.items()}


def _waiting(context: AutoscalingContext) -> float:
    """How many times more requests there are than those that replicas work on, at least 1.

    One that is queued costs what the running ones do on average.
    """
    running = context.total_running_requests
    if running < 1:
        return 1.0
    return max(1.0, float(context.total_num_requests / running))
