"""The report of a session on a card; it needs none."""

import json

from tests.gpu.report import Outcome, machine, write_report

TOLD = {
    "when": "2026-12-01T01:02:03+00:00", "card": "Card, 24 GiB, 580.1", "cpus": 8, "cuda": "13.0",
    "python": "3.11.9", "packages": {"torch": "2.13.0"},
}  # fmt: skip
OUTCOMES = [
    Outcome(test="a::b", outcome="passed", seconds=1.25, figures={"tokens_per_s": 900}),
    Outcome(test="a::c", outcome="failed", seconds=2, why="E   first\nE   assert 1 == 2"),
    Outcome(test="a::d", outcome="skipped", seconds=0, why="Skipped: only a card shows it"),
]


def test_a_report_is_for_people_and_for_programs(tmp_path):
    text = write_report(tmp_path / "new", TOLD, OUTCOMES, exit_status=1).read_text()
    assert (
        text.splitlines()[0] == "2026-12-01T01:02:03+00:00  Card, 24 GiB, 580.1, CUDA 13.0, 8 CPUs"
    )
    assert "1 passed, 1 failed, 1 skipped\n" in text
    assert "tokens_per_s: 900" in text
    assert "assert 1 == 2" in text
    (written,) = tmp_path.rglob("*.json")
    assert written.name == "gpu-2026-12-01T010203.json"
    assert json.loads(written.read_text())["tests"][0]["figures"] == {"tokens_per_s": 900}


def test_a_session_that_was_cut_says_so(tmp_path):
    assert "cut before the end" in write_report(tmp_path, TOLD, [], exit_status=2).read_text()


def test_the_machine_is_told_without_its_name():
    told = machine()
    assert told["packages"]["torch"]
    assert set(told) == {"when", "card", "cpus", "python", "packages", "cuda"}
