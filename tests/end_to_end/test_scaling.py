"""The simulated generator from zero replicas up with the load and down again, on a real cluster.

`python -m benchmarks.scaling` is the long form, beside Serve's own policy.
"""

import asyncio
import time

import httpx
import pytest

from benchmarks.scaling import POLICY, changes, long_questions, watch
from chaos.fleet import Fleet

pytestmark = [pytest.mark.ray, pytest.mark.systems]
DELAYS = {
    "min_replicas": 0, "max_replicas": 3, "upscale_delay_s": 1, "downscale_delay_s": 2,
    "downscale_to_zero_delay_s": 2, "look_back_period_s": 2,
}  # fmt: skip
QUESTION = {"model": "generator", "messages": [{"role": "user", "content": "Awake?"}]}


@pytest.fixture(scope="module")
def fleet():
    made = changes(POLICY, **DELAYS)
    unchecked = made["Gateway"]["user_config"] | {"safety": {"check_question": False}}
    made["Gateway"] = made["Gateway"] | {"user_config": unchecked}  # nothing takes time before it
    with Fleet(num_spot=0, changes=made) as fleet:
        yield fleet


def wait_for_zero(fleet):
    deadline = time.monotonic() + 120
    while fleet.system.replicas("Generator"):
        assert time.monotonic() < deadline, "the generator did not go to zero"
        time.sleep(0.3)


def ask_at_once(fleet):
    return httpx.post(
        f"{fleet.url}/v1/chat/completions", json=QUESTION, timeout=60,
        headers={"x-request-deadline-ms": "50"},
    )  # fmt: skip


def test_replicas_follow_a_step_of_load_up_and_down_to_zero_and_back(fleet):
    wait_for_zero(fleet)
    # The next question wakes it, so a load balancer has to go on sending them.
    assert httpx.get(f"{fleet.url}/readyz", timeout=10).status_code == 200
    assert not fleet.system.replicas("Generator")
    seen = asyncio.run(watch(fleet, long_questions(seed=2, rate=3, seconds=8)))
    assert seen.lost == []
    assert seen.counts[0][1] == 0
    assert seen.most >= 2
    wait_for_zero(fleet)
    # Beyond its deadline a question that waits for the start is refused, and may come again.
    late, deadline = ask_at_once(fleet), time.monotonic() + 20
    while late.status_code == 504 and time.monotonic() < deadline:
        late = ask_at_once(fleet)  # the Gateway had not heard that the last replica went
    assert (late.status_code, "retry-after" in late.headers) == (503, True), late.text
