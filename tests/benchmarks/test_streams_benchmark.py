"""`benchmarks.speed.streams`: that both ways are asked the same, and what its ratios are of."""

import asyncio
import subprocess
import sys

import pytest
import yaml

from benchmarks.speed import streams
from benchmarks.speed.streams import (
    BARE,
    HTTP,
    IN_PROCESS,
    Load,
    Turn,
    measure,
    ratios,
    serve_engine,
)
from graphs.serve_config.checks import faults_in
from graphs.serve_config.config_file import ConfigFile
from tests.ray_environment import ROOT


def writing(token_s, asked):
    """Writes tokens at a steady pace, and notes what it was asked."""

    async def write(number, sampling, tokens):
        asked.append((number, sampling, tokens))
        await asyncio.sleep(tokens * token_s)
        return tokens, token_s

    return write


async def test_both_ways_are_asked_the_same_in_turn():
    slow, fast = [], []
    ways = {
        HTTP: writing(0.004, slow), IN_PROCESS: writing(0.001, fast), BARE: writing(0.002, []),
    }  # fmt: skip
    taken = await measure(ways, Load(streams=3, tokens=5), rounds=2)
    assert sorted(slow) == sorted(fast)
    assert {(one.way, one.sampling) for one in taken[0]} == {
        (way, sampling) for way in ways for sampling in streams.SAMPLINGS
    }
    assert [one.way for turns in taken for one in turns[:1]] == [BARE, HTTP]  # in turn
    found = ratios(taken)
    assert found["ms to the first token beyond in process"] == pytest.approx(3.0)
    assert found["of them Ray Serve's own"] == pytest.approx(2.0)


def test_ratios_are_medians_of_rounds():
    def turn(way, sampling, speed):
        first_ms = (
            {HTTP: 25.0, IN_PROCESS: 10.0, BARE: 12.0}[way] if sampling == "likeliest" else None
        )
        return Turn(way=way, sampling=sampling, tokens_per_s=speed, first_ms=first_ms)

    rounds = [
        [
            turn(way, sampling, pace * share)
            for way, pace in ((HTTP, 9.0), (IN_PROCESS, below), (BARE, 99.0))
            for sampling, share in (("likeliest", 1.0), ("drawn", 0.9), ("nucleus", 0.8))
        ]
        for below in (10.0, 10.0, 90.0)
    ]
    found = ratios(rounds)
    assert found[f"drawn, {HTTP} to {IN_PROCESS}"] == pytest.approx(0.9)
    assert found[f"nucleus to likeliest, {HTTP}"] == pytest.approx(0.8)
    assert found["ms to the first token beyond in process"] == pytest.approx(15.0)


@pytest.mark.parametrize("engine", ["transformers", "vllm"])
def test_what_is_served_passes_the_check_of_the_yaml(engine):
    config = yaml.safe_load((ROOT / "local.yaml").read_text())
    serve_engine(config, engine=engine, model="bundled:generator", streams=32)
    assert faults_in(ConfigFile(name="local.yaml", value=config)) == []


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--streams=0", "--streams must be at least 1, got 0"),
        ("--width=100", "--width must be a multiple of 64, got 100"),
    ],
)
def test_a_wrong_option_is_refused_with_its_value(option, message):
    command = [sys.executable, "-m", "benchmarks.speed.streams", option]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert ran.returncode == 2
    assert message in ran.stderr
