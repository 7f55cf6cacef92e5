"""What mixes of machines cost and keep ready, on traces that are counted by hand."""

import json

import pytest

from benchmarks import spot_mix
from benchmarks.spot_mix import Trace, played, policies


def outcome(name, available, **changes):
    trace = Trace(name="t", gap_s=600.0, available=tuple(available))
    arguments = {"target": 4, "start_s": 0.0, "spot_price": 0.25} | changes
    return played(trace, policies(4)[name](), **arguments)


def test_machines_that_always_come_are_always_ready():
    for name, cost in {"on demand": 1.0, "spot": 0.25, "half spot": 0.625}.items():
        found = outcome(name, [9] * 10)
        assert (found.ready, found.share, found.losses) == (1.0, 1.0, 0)
        assert found.cost == pytest.approx(cost)


def test_without_spot_the_fallback_pays_what_on_demand_does():
    found = outcome("fallback", [0] * 10)
    assert (found.ready, found.cost) == (1.0, pytest.approx(1.0))
    assert outcome("spot", [0] * 10).ready == 0.0
    assert outcome("half spot", [0] * 10).share == 0.5


def test_a_machine_is_ready_so_long_after_it_was_asked_for():
    found = outcome("on demand", [0] * 10, start_s=600.0)
    assert found.ready == pytest.approx(0.9)
    assert found.cost == pytest.approx(1.0)  # it costs from the beginning


def test_losses_are_counted_and_made_up_for():
    available = [4] * 20 + [2] * 20 + [4] * 20
    spot = outcome("spot", available)
    assert (spot.losses, spot.ready, spot.share) == (2, pytest.approx(2 / 3), pytest.approx(5 / 6))
    fallback = outcome("fallback", available)
    assert fallback.ready == 1.0
    assert spot.cost < fallback.cost < 0.5


def test_traces_are_read_and_every_mix_is_told(tmp_path, capsys):
    (tmp_path / "zone").mkdir()
    trace = {"metadata": {"gap_seconds": 300}, "data": [4, 4, 0, 0, 4, 4] * 4}
    (tmp_path / "zone" / "a.json").write_text(json.dumps(trace))
    plot = tmp_path / "mix.png"
    assert spot_mix.main([str(tmp_path), "--plot", str(plot)]) == 0
    told = capsys.readouterr().out
    assert all(name.split()[0] in told for name in policies(4))
    assert plot.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "text", ["{}", "[1]", '{"metadata": {"gap_seconds": 0}, "data": [1]}', None]
)
def test_what_is_no_trace_is_told(tmp_path, text, capsys):
    if text is not None:
        (tmp_path / "a.json").write_text(text)
    assert spot_mix.main([str(tmp_path)]) == 2
    assert ("a.json" if text is not None else "no *.json") in capsys.readouterr().out
