"""`make serve` before it starts anything: its checks, its environment, where it keeps state."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from cluster.local import HANDBOOK, StartError, _print_next_steps, cluster_environment
from cluster.local import run as start

ROOT = Path(__file__).parents[2]
LOCAL = (ROOT / "local.yaml").read_text()


def run(*arguments, state, cwd=ROOT):
    environment = {
        **os.environ, "RAGFLEET_STATE": str(state), "PYTHONPATH": str(cwd),
        "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    environment.pop("RAGFLEET_DATABASE_URL", None)
    return subprocess.run(
        [sys.executable, *arguments], env=environment, cwd=cwd, capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip


def test_a_config_with_faults_starts_nothing(tmp_path):
    copy = tmp_path / "copy.yaml"
    copy.write_text(LOCAL.replace("max_tokens: 192", "max_token: 192"))
    done = run("-m", "cluster.local", "--config", copy, state=tmp_path / "state")
    assert done.returncode == 1
    assert "Reranker.user_config: unknown key 'max_token'; did you mean" in done.stdout
    assert not (tmp_path / "state").exists()  # where the log and the token of a cluster would be


@pytest.mark.parametrize("host", ["a..b", "'::1'"])
def test_a_host_that_cannot_be_asked_starts_nothing(monkeypatch, tmp_path, host):
    monkeypatch.setenv("RAGFLEET_STATE", str(tmp_path / "state"))
    copy = tmp_path / "copy.yaml"
    text = LOCAL.replace("host: 127.0.0.1", f"host: {host}")
    gateway = "        user_config:\n"  # the first block's
    copy.write_text(text.replace(gateway, gateway + "          auth: {keys: true}\n", 1))
    with pytest.raises(StartError, match=r"cannot listen on .*:8000: "):
        start(copy, HANDBOOK, "handbook", Console())
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("offline", ["1", None])
def test_whether_a_model_of_the_hub_may_be_fetched_later_is_the_operators_to_say(
    monkeypatch, tmp_path, offline
):
    monkeypatch.setenv("RAGFLEET_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    if offline:
        monkeypatch.setenv("HF_HUB_OFFLINE", offline)
    assert cluster_environment().get("HF_HUB_OFFLINE") == offline


STARTS = """
import asyncio
from cluster.local import cluster_environment
from deployments.embedder import Embedder
from deployments.ingester import Ingester
from deployments.retriever import Retriever
from index.access import OPERATOR
from graphs.config import AppArgs, database_url
from graphs.serve_config.reader import read_serve_config
from pathlib import Path

async def start():
    config = read_serve_config(Path("local.yaml"))
    cluster_environment()
    embedder = Embedder.func_or_class()
    await embedder.reconfigure({"model": "bundled:embedder", "engine": "onnx"})
    await embedder.check_health()
    url = database_url(config.args)
    ingester = Ingester.func_or_class(url, None)
    await ingester.catalog(OPERATOR, "create_store", name="docs")
    await Retriever.func_or_class(url).check_health()

asyncio.run(start())
"""


def test_all_state_lies_where_it_is_told_and_none_beside_the_code(tmp_path):
    code, state = tmp_path / "code", tmp_path / "state"
    code.mkdir()
    for name in ("cluster", "deployments", "graphs", "index", "models", "local.yaml"):
        (code / name).symlink_to(ROOT / name)
    before = sorted(code.iterdir())
    code.chmod(0o555)
    done = run("-c", STARTS, state=state, cwd=code)
    assert done.returncode == 0, done.stderr
    assert sorted(code.iterdir()) == before
    names = {path.name for path in state.iterdir()}
    assert {"auth_token", "corpus.db", "models", "ray_address"} <= names
    assert (state / "auth_token").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("keyed", [None, Path("my.yaml")])
def test_the_question_to_type_next_has_a_key_where_one_is_wanted(keyed):
    console = Console(record=True, file=io.StringIO())
    _print_next_steps(console, "http://127.0.0.1:8000", Path("serve.log"), keyed)
    told = console.export_text()
    create, ask = told.find("python -m graphs.keys --config my.yaml create"), told.find("curl")
    assert (0 < create < ask) is (keyed is not None)
    assert ('"Authorization: Bearer $OPENAI_API_KEY"' in told) is (keyed is not None)
    command = told[ask : told.index("Ctrl-C")]
    subprocess.run(["sh", "-n", "-c", command], check=True)
