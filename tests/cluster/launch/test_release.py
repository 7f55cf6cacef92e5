"""The order of a release's steps, with stand-ins that write down how they were called."""

import subprocess
from pathlib import Path

import pytest

from cluster.launch import render

LAUNCH = Path(render.__file__).parent
RENDERED = "name: mine\nnamespace: there\nserve_config_text: |-\n  name: other\n"


@pytest.fixture
def release(tmp_path):
    calls = tmp_path / "calls"
    (tmp_path / "rendered.yaml").write_text(RENDERED)
    for name in ("python", "serve", "helm"):
        script = tmp_path / name
        script.write_text(f"""#!/bin/sh
echo "{name} $*" >> {calls}
case "$*" in *cluster.launch.render*)
    for last; do :; done
    cp {tmp_path}/rendered.yaml "$last/helm.yaml";;
esac
case "$*" in *"${{FAILS:-none}}"*) exit 3;; esac
""")
        script.chmod(0o755)

    def run(**env):
        env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "PYTHON": str(tmp_path / "python"),
               "SKIP_TESTS": "1", "TMPDIR": str(tmp_path), **env}  # fmt: skip
        status = subprocess.run(
            ["sh", LAUNCH / "release.sh"], env=env, check=False, capture_output=True
        ).returncode
        words = [line.split() for line in calls.read_text().splitlines()]
        return status, [" ".join(one[:3] if one[0] == "python" else one[:4]) for one in words]

    return run


CHECKS = [
    "python -m graphs.commands.check", "python -m cluster.plan", "python -m benchmarks.answers",
]  # fmt: skip


def test_the_chart_is_what_was_checked(release, tmp_path):
    status, calls = release(VALUES="my.yaml")
    assert status == 0
    assert calls == [
        "python -m cluster.launch.render", *CHECKS, "helm upgrade --install mine",
        "python -m cluster.launch.rollout",
    ]  # fmt: skip
    lines = (tmp_path / "calls").read_text().splitlines()
    folder = lines[0].split()[-1]
    assert lines[1].endswith(f"{folder}/serve.yaml")
    assert f"answers --in-process --config {folder}/serve.yaml --half dev" in lines[3]
    assert f"--namespace there --values {folder}/helm.yaml" in lines[4]
    assert lines[5].endswith("rollout mine --namespace there")


def test_a_release_that_does_not_come_to_run_has_failed(release):
    status, _ = release(VALUES="my.yaml", FAILS="cluster.launch.rollout")
    assert status == 3


def test_a_cluster_without_kubernetes_gets_the_config_itself(release):
    status, calls = release(DASHBOARD="http://head:8265")
    assert status == 0
    assert calls == [*CHECKS, "python -m cluster.plan", "serve deploy --address http://head:8265"]


def test_a_staging_that_serves_the_release_is_asked_instead(release, tmp_path):
    own = {"STORE": "s", "QUESTIONS": "q.jsonl", "GATES": "--drop facts=0.02"}
    status, calls = release(VALUES="my.yaml", STAGING="http://staging/v1", **own)
    assert (status, calls[4]) == (0, "python -m benchmarks.evaluate")
    exam, questions = (tmp_path / "calls").read_text().splitlines()[3:5]
    assert exam.endswith("answers --base-url http://staging/v1 --half dev --least-right 0.7")
    assert questions.endswith(
        "--base-url http://staging/v1 --store s --questions q.jsonl --drop facts=0.02"
    )


def test_questions_want_a_system_that_serves_the_release(release):
    status, calls = release(DASHBOARD="http://head:8265", QUESTIONS="q.jsonl")
    assert (status != 0, calls) == (True, CHECKS)


@pytest.mark.parametrize("gate", ["graphs.commands.check", "cluster.plan", "cluster.launch.render",
                                  "benchmarks.answers", "benchmarks.evaluate"])  # fmt: skip
def test_nothing_is_deployed_behind_a_closed_gate(release, gate):
    asked = {"STAGING": "http://staging/v1", "STORE": "s", "QUESTIONS": "q.jsonl"}
    status, calls = release(VALUES="my.yaml", DASHBOARD="http://head:8265", FAILS=gate, **asked)
    assert status == 3
    assert not [one for one in calls if one.startswith(("helm", "serve"))]


def test_nothing_is_deployed_where_no_place_is_given(release):
    assert release() == (0, CHECKS)
