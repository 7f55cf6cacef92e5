"""The arithmetic of `python -m benchmarks.cost`, and the copies that it serves."""

import sys

import pytest

from benchmarks import cost
from benchmarks.cost import Window, cost_of


def windows(*rounds):
    return [tuple(Window(cpu_s=cpu_s, wall_s=2 * cpu_s) for cpu_s in one) for one in rounds]


def test_a_cost_is_the_median_over_the_rounds():
    found = cost_of(windows((1.0, 2.0), (10.0, 11.0), (100.0, 400.0)))
    assert (found.cpu_ms, found.cpu_ratio, found.rate_ratio) == (1000.0, 2.0, 0.5)


@pytest.mark.parametrize("has_metrics", [True, False])
def test_a_copy_without_metrics_differs_in_the_one_line_that_records_them(tmp_path, has_metrics):
    copied = cost._copy(tmp_path / "copy", has_metrics=has_metrics)
    old = (cost.ROOT / cost._METER).read_text().splitlines()
    new = (copied / cost._METER).read_text().splitlines()
    assert len(new) - len(old) == (0 if has_metrics else 1)
    assert (copied / "local.yaml").read_text() == (cost.ROOT / "local.yaml").read_text()
    assert (copied / ".ragfleet" / "models").is_symlink()


def test_keys_come_with_limits_that_are_kept():
    config = {"applications": [{"deployments": [{"name": "Gateway", "user_config": {}}]}]}
    cost._edit("keys", 0.01)(config)
    changed = config["applications"][0]["deployments"][0]["user_config"]
    assert changed["auth"] == {"keys": True}
    assert changed["limits"]["key"]["tokens_per_min"] > 0


@pytest.mark.parametrize("wrong", [("walls",), ("keys", "--rounds", "0")])
def test_wrong_arguments_are_refused_before_anything_starts(wrong, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["cost", *wrong])
    with pytest.raises(SystemExit) as ended:
        cost.main()
    assert ended.value.code == 2
    assert wrong[-1] in capsys.readouterr().err
