"""The policy on its own, and as Serve wraps it: how many replicas for how much work."""

import subprocess
import sys

import pytest
from ray.serve.autoscaling_policy import _apply_autoscaling_config
from ray.serve.config import AutoscalingConfig, AutoscalingContext, AutoscalingPolicy

from deployments.scaling import ENCODER_SIGNALS, GENERATOR_SIGNALS, LoadPolicy

GENERATOR = {"tokens": 1000, "cache_use": 0.8}
ENCODER = {"queued_s": 0.5, "busy": 0.8}


def context(now, *, told=None, running=0.0, queued=0.0, state=None, at_s=0.0, **config):
    limits = {"min_replicas": 0, "max_replicas": 20, "target_ongoing_requests": 48} | config
    return AutoscalingContext(
        deployment_id=None, deployment_name="Generator", app_name="ragfleet",
        current_num_replicas=now, target_num_replicas=now, running_replicas=[],
        total_num_requests=running + queued, total_queued_requests=queued,
        aggregated_metrics={name: dict(enumerate(each)) for name, each in (told or {}).items()},
        raw_metrics=None, capacity_adjusted_min_replicas=0, capacity_adjusted_max_replicas=20,
        policy_state=state or {}, last_scale_up_time=None, last_scale_down_time=None,
        current_time=at_s, config=AutoscalingConfig(**limits),
    )  # fmt: skip


def wanted(policy, now, **told):
    return LoadPolicy(**policy)(context(now, **told))[0]


@pytest.mark.parametrize(
    ("now", "told", "running", "queued", "replicas"),
    [
        # Few requests with long prompts fill a generator; many short ones do not.
        (1, {"tokens": [3000], "cache_use": [0.7]}, 3, 0, 3),
        (1, {"tokens": [600], "cache_use": [0.2]}, 40, 0, 1),
        # A full cache tells it though there are few tokens.
        (2, {"tokens": [500, 500], "cache_use": [1.0, 1.0]}, 8, 0, 3),
        # What waits in the Gateways counts as what runs: 5 times the tokens of 8 requests.
        (1, {"tokens": [1200], "cache_use": [0.3]}, 8, 32, 6),
        # Within a tenth of the target nothing changes.
        (2, {"tokens": [1050, 1100]}, 8, 0, 2),
        (2, {"tokens": [1050, 1300]}, 8, 0, 3),
        # Less than a replica's work is the work of one, and none that of none.
        (3, {"tokens": [1, 0, 0]}, 1, 0, 1),
        (3, {"tokens": [0, 0, 0], "cache_use": [0.0] * 3}, 0, 0, 0),
        # Short questions that have taken all slots.
        (1, {"tokens": [600], "cache_use": [0.2]}, 64, 80, 3),
        # A replica that has just started has told nothing.
        (4, {"tokens": [2000, 2000]}, 8, 0, 4),
    ],
)
def test_a_generator_is_scaled_by_its_tokens_and_its_cache(now, told, running, queued, replicas):
    assert wanted(GENERATOR, now, told=told, running=running, queued=queued) == replicas


@pytest.mark.parametrize(
    ("now", "told", "running", "replicas"),
    [
        (1, {"queued_s": [4.0], "busy": [1.0]}, 9, 8),  # several steps at once
        (2, {"queued_s": [0.0, 0.0], "busy": [0.8, 0.84]}, 3, 2),
        (2, {"queued_s": [0.0, 0.0], "busy": [1.0, 1.0]}, 3, 3),  # keeps up, but only just
        (4, {"queued_s": [0.0] * 4, "busy": [0.3] * 4}, 3, 2),
        (1, {"queued_s": [0.0], "busy": [0.01]}, 0, 0),  # checks of health are no work
    ],
)
def test_an_encoder_is_scaled_by_its_queue_and_its_time(now, told, running, replicas):
    assert wanted(ENCODER, now, told=told, running=running) == replicas


def test_until_a_replica_has_told_anything_requests_are_counted_as_serve_does():
    assert wanted(GENERATOR, 1, running=20, queued=80) == 3


def run(times, *, now, **config):
    """Serve's own wrapper over the policy; gives its targets as (seconds, tokens) come."""
    policy = _apply_autoscaling_config(LoadPolicy(**GENERATOR))
    state, targets = {}, []
    for at_s, tokens in times:
        told = {"tokens": [tokens / max(now, 1)] * now}
        found = context(now, told=told, running=tokens / 100, state=state, at_s=at_s, **config)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("ray.serve.autoscaling_policy.time.time", lambda at_s=at_s: at_s)
            now, state = policy(found)
        targets.append(now)
    return targets


def test_far_off_it_goes_up_in_one_step_after_the_delay():
    steps = [(second, 6000) for second in range(8)]
    assert run(steps, now=1, upscale_delay_s=5) == [1, 1, 1, 1, 1, 6, 6, 6]


def test_down_it_goes_to_the_most_of_the_delay_and_not_to_its_last_moment():
    """Serve's own policy goes to what it sees last (ray-project/ray issue 46497)."""
    tokens = [10_000, 3000, 6000, 3000, 1000, 1000]
    steps = [(10 * number, one) for number, one in enumerate(tokens)]
    assert run(steps, now=10, downscale_delay_s=40, upscale_delay_s=0)[-1] == 6
    later = [*steps, *((10 * number, 1000) for number in range(6, 12))]
    assert run(later, now=10, downscale_delay_s=40, upscale_delay_s=0)[-1] == 1


def test_to_zero_it_goes_after_its_own_delay_and_back_at_once():
    calm = [(second, 0) for second in range(31)]
    delays = {"downscale_to_zero_delay_s": 30, "downscale_delay_s": 5, "upscale_delay_s": 5}
    targets = run(calm, now=1, **delays)
    assert (targets[29], targets[30]) == (1, 0)
    assert run([(0, 100)], now=0, **delays) == [1]


@pytest.mark.parametrize(
    ("kwargs", "told"),
    [
        ({}, "one of tokens, cache_use, queued_s, busy must be set, got none"),
        ({"tokens": 0}, "tokens must be above 0, got 0"),
        ({"cache_use": 1.5}, "cache_use must be in (0, 1], got 1.5"),
        ({"busy": 0}, "busy must be in (0, 1], got 0"),
        ({"busy": 0.5, "tolerance": 1}, "tolerance must be in [0, 1), got 1"),
    ],
)
def test_targets_outside_their_limits_are_refused(kwargs, told):
    with pytest.raises(ValueError) as refused:  # noqa: PT011  # the text is compared
        LoadPolicy(**kwargs)
    assert str(refused.value) == told


def test_it_crosses_to_a_controller_that_knows_none_of_our_modules(tmp_path):
    made = AutoscalingPolicy(
        policy_function="deployments.scaling:LoadPolicy", policy_kwargs=GENERATOR
    )
    (tmp_path / "policy").write_bytes(made.get_serialized_policy_def())
    code = """
from ray import cloudpickle
policy = cloudpickle.load(open("policy", "rb"))(tokens=1000, cache_use=0.8)
class Context:
    target_num_replicas, total_num_requests, total_running_requests = 1, 3, 3
    aggregated_metrics, policy_state = {"tokens": {"a": 3000}}, {}
    class config:
        get_target_ongoing_requests = lambda: 48
print(policy(Context())[0])
try:
    import deployments
except ImportError:
    print("alone")
"""
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True,
        timeout=120, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["3", "alone"]


def test_the_signals_of_the_policy_are_those_that_replicas_tell():
    assert set(GENERATOR_SIGNALS) == set(GENERATOR)
    assert set(ENCODER_SIGNALS) == set(ENCODER)
