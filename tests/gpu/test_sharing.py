"""Several processes on one card: caps, room, who holds it, and loads one after the other."""

import json
import subprocess
import sys
from contextlib import contextmanager

import pytest

from models.device import compute_apps
from tests.gpu.card import HAS_CARD, free_and_total, needs_card
from tests.gpu.holder import PIECE
from tests.models.engines.held import ROOT

pytestmark = pytest.mark.gpu
CONTEXT = 2**29  # what models/device.py leaves to CUDA


@contextmanager
def started(share, hold_bytes, **more):
    """A process that takes memory of the card; gives it and how to read what it tells."""
    asked = {"share": share if HAS_CARD else 0, "hold_bytes": hold_bytes, **more}
    command = [sys.executable, "-m", "tests.gpu.holder", json.dumps(asked)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        try:
            yield process, lambda: json.loads(process.stdout.readline())
        finally:
            process.communicate()
    assert process.returncode == 0


@contextmanager
def holding(share, hold_bytes):
    """The same, when it has told; gives it and what it told."""
    with started(share, hold_bytes) as (process, tell):
        yield process, tell()


def total_bytes():
    """Of the card; of a CPU that stands in for it, two pieces."""
    return free_and_total()[1] if HAS_CARD else 2 * PIECE


def least(share, total):
    """What a process gets at least that takes all it may."""
    return share * total - CONTEXT - 2 * PIECE if HAS_CARD else total


@needs_card
def test_a_share_of_a_fifth_takes_a_fifth_and_no_more(figures):
    before, total = free_and_total()
    with holding(0.2, total) as (_, told):
        taken = before - free_and_total()[0]
    figures("held_gb", round(told["held"] / 1e9, 2))
    figures("taken_of_card_gb", round(taken / 1e9, 2))
    assert told["held"] <= 0.2 * total - CONTEXT
    assert told["held"] >= least(0.2, total)
    assert taken <= (0.2 + 0.02) * total  # the context is no more than was left for it


def test_two_processes_hold_their_shares_of_one_card_and_give_them_back(figures):
    total = total_bytes()
    with holding(0.4, total) as (_, one), holding(0.4, total) as (_, other):
        assert min(one["held"], other["held"]) >= least(0.4, total)
        assert one["device"] == other["device"]
    with holding(0.8, total) as (_, after):
        assert after["held"] >= least(0.8, total)
    figures("held_by_each_gb", round(one["held"] / 1e9, 2))


@needs_card
def test_a_third_that_does_not_fit_is_refused_with_who_holds_the_card(figures):
    total = total_bytes()
    with holding(0.4, total) as (one, _), holding(0.4, total) as (other, _):
        told_pids = {line.strip() for line in compute_apps("pid")}
        with holding(0.4, PIECE) as (_, third):
            pass
    assert "num_gpus 0.4 means" in third["refused"]
    pids = {str(one.pid), str(other.pid)}
    figures("driver_names_processes", pids <= told_pids)  # not in every container
    for pid in pids & told_pids:
        assert f" {pid}, " in third["refused"].partition("held by: ")[2]


def test_loads_on_one_card_follow_one_another(tmp_path):
    more = {"locks": str(tmp_path), "load_s": 2}
    with started(0.2, PIECE, **more) as (_, tell), started(0.2, PIECE, **more) as (_, tell_too):
        one, other = tell(), tell_too()
    assert one["ended"] <= other["began"] or other["ended"] <= one["began"]
