"""What losing a part costs: short forms of `make chaos`."""

import json
import time
from dataclasses import replace

import pytest
from rich.console import Console

from chaos.arena import Arena, Size
from chaos.fleet import Fleet
from chaos.runner import Runner
from chaos.scenarios.node_scenarios import NoticeSettings
from chaos.scenarios.scenarios import scenarios

pytestmark = pytest.mark.chaos


@pytest.fixture(scope="module")
def fleet():
    """A head and three spot nodes, with simulated models behind the real graph."""
    with Fleet() as made:
        yield made


def attack(fleet, name, size, notice=None):
    """Runs a scenario in small on a system that is whole."""
    fleet.wait_until_ready()
    runner = Runner(fleet.system, fleet, Console())
    arena = Arena(system=fleet.system, seed=7, keeper=fleet)
    scenario = scenarios(notice or NoticeSettings())[name]
    return runner.run(name, replace(scenario, size=size), arena)


def seen(report, *, but=()):
    """Gives the report, and fails with all of it when something was not seen.

    `but` names what only a machine that nobody shares can show; `make chaos` asks for it.
    """
    missed = [check for check in report.checks if not check.passed and check.name not in but]
    assert not missed, json.dumps(report.summary(), indent=1)
    return report


def test_requests_survive_the_sigkill_of_nodes(fleet):
    size = Size(num_requests=90, rate=3, max_tokens=3, num_faults=2)
    report = seen(attack(fleet, "node-kill", size), but=["p99 at most twice the quiet one"])
    assert len(report.faults) == 2


def test_streams_that_lose_their_generator_go_on_exactly(fleet):
    size = Size(num_requests=8, rate=1, max_tokens=300)
    report = seen(attack(fleet, "replica-kill", size), but=["p99 stall <= 3.0 s"])
    assert report.num_migrated


def test_without_resume_they_fail(fleet):
    fleet.edit({"Gateway": {"user_config": {"failover": {"max_migrations": 0}}}})
    try:
        report = attack(fleet, "replica-kill", Size(num_requests=8, rate=1, max_tokens=80))
    finally:
        fleet.edit({})
    assert not report.passed
    failed = [one for one in report.run if not one.succeeded]
    assert failed
    assert all(one.errors for one in failed), "a stream must not end in silence"


def test_a_frozen_generator_is_left_and_its_late_tokens_are_dropped(fleet):
    report = seen(attack(fleet, "freeze", Size(num_requests=8, rate=5, max_tokens=90)))
    assert "state T" in report.faults[0].proof


@pytest.mark.parametrize("cloud", ["aws"])
def test_a_notice_costs_nothing(fleet, cloud):
    notice = NoticeSettings(cloud=cloud, notice_s=30.0)
    report = seen(attack(fleet, "drain", Size(num_requests=30, rate=1.2, max_tokens=40), notice))
    assert "left Ray" in report.faults[0].proof


def test_the_loss_of_a_gateway_is_mended_by_the_client(fleet):
    seen(attack(fleet, "gateway-kill", Size(num_requests=10, rate=4, max_tokens=80)))


def test_the_loss_of_the_controller_is_not_noticed(fleet):
    seen(attack(fleet, "controller-kill", Size(num_requests=40, rate=4, max_tokens=3)))


def test_no_question_needs_a_writer(fleet):
    report = seen(attack(fleet, "ingester-kill", Size(num_requests=60, rate=3, max_tokens=3)))
    assert len({fault.proof for fault in report.faults}) > 1, "it was not kept down"


def test_without_a_generator_new_requests_are_told_and_old_ones_wait(fleet):
    seen(attack(fleet, "outage", Size(num_requests=8, rate=8, max_tokens=60)))


def test_overload_is_refused_quickly_and_costs_no_goodput(fleet):
    seen(attack(fleet, "overload", Size(num_requests=60, rate=1, max_tokens=40)))


@pytest.mark.parametrize(
    "wrong", [("--deployment", "Nope"), ("--node", "f" * 56)], ids=["deployment", "node"]
)
def test_a_wrong_target_fails_loudly_before_any_load(fleet, wrong, run_chaos, capsys):
    where = ("--url", fleet.url, "--dashboard", fleet.dashboard, "--ray-address", fleet.ray_address)
    token = ("--token-file", str(fleet.token_file), "--scenario", "replica-kill")
    began = time.monotonic()
    assert run_chaos(*where, *token, *wrong) == 2
    assert wrong[1] in capsys.readouterr().out.replace("\n", "")
    assert time.monotonic() - began < 60
