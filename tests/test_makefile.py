"""What `make` writes and removes lies in the state folder that is configured."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = ("auth_token", "corpus.db", "corpus.db-wal", "models/embedder/graph", "ray_address")
OURS += ("prometheus/prometheus.yml", "calibration.json")


def make(folder, target, *options, **environment):
    shutil.copy(ROOT / "Makefile", folder)
    kept = {name: value for name, value in os.environ.items() if name != "RAGFLEET_STATE"}
    command = ["make", "--silent", *options, target]
    return subprocess.run(
        command, cwd=folder, env=kept | environment, check=True, capture_output=True, text=True
    ).stdout


def fill(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")


def test_clean_empties_the_configured_folder_and_no_other(tmp_path):
    elsewhere, default = tmp_path / "a folder", tmp_path / ".ragfleet"
    fill(elsewhere, *OURS, "notes.txt")
    fill(default, *OURS)
    make(tmp_path, "clean", RAGFLEET_STATE=str(elsewhere))
    assert [path.name for path in elsewhere.iterdir()] == ["notes.txt"]  # it is somebody else's
    assert (default / "corpus.db").exists()


def test_clean_removes_the_default_folder_and_needs_none(tmp_path):
    fill(tmp_path / ".ragfleet", *OURS)
    make(tmp_path, "clean")
    assert not (tmp_path / ".ragfleet").exists()
    make(tmp_path, "clean")


@pytest.mark.parametrize(
    ("environment", "folder"),
    [({}, ".ragfleet/models"), ({"RAGFLEET_STATE": "/some where"}, "/some where/models")],
)
def test_models_are_prepared_where_replicas_look_for_them(tmp_path, environment, folder):
    python = tmp_path / ".venv/bin/python"
    fill(tmp_path, ".venv/installed", "pyproject.toml", "constraints.txt")
    os.utime(tmp_path / ".venv/installed", (2**31, 2**31))  # newer than what it is made from
    python.parent.mkdir()
    python.write_text('#!/bin/sh\nprintf "%s|" "$@"\n')
    python.chmod(0o755)
    assert make(tmp_path, "models", **environment) == f"-m|models.prepare|{folder}|"


SOME = ["test-launch", "test-vllm", "test-chaos"]


@pytest.mark.parametrize(
    ("busy_s", "minutes", "fails", "left_out"),
    [
        ("1500", "85", "-", []),
        ("-1", "85", "-", SOME),
        ("1500", "1", "-", SOME),
        ("1500", "85", ".venv-vllm/installed", ["test-vllm"]),
        ("1500", "85", ".venv-launch/installed", ["test-launch"]),
    ],
)
def test_ci_runs_every_tier_and_says_which_it_leaves_out(
    tmp_path, busy_s, minutes, fails, left_out
):
    for name in ("make", "initdb", "strace"):
        tool = tmp_path / name
        tool.write_text(f'#!/bin/sh\necho "made $1"\n[ "$1" != {fails} ]\n')
        tool.chmod(0o755)
    environment = os.environ | {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "RAGFLEET_CI_BUSY_S": busy_s, "RAGFLEET_CI_MINUTES": minutes,
    }  # fmt: skip
    told = subprocess.run(
        [ROOT / ".ci/run"], env=environment, check=True, capture_output=True, text=True
    ).stdout
    tiers = ["lint", "test", "test-launch", "test-systems", "test-vllm", "test-chaos"]
    made = [line.removeprefix("made ") for line in told.splitlines() if line.startswith("made ")]
    assert made[0] == "install"
    assert {".venv-vllm/installed", ".venv-launch/installed"} <= set(made)
    made = [one for one in made if one in tiers]
    assert made == [tier for tier in tiers if tier not in left_out]
    for tier in left_out:
        assert f"make {tier} is left out: " in told
