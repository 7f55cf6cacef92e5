"""The command that moves a store to another embedder, without a running system; real models."""

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

from graphs.commands import reembed
from graphs.commands.command import ENDED_EARLY, INTERRUPTED, WRONG_ARGUMENTS
from graphs.commands.running import Running, why_not_served
from graphs.commands.served import read_served
from index.catalog.catalog import Catalog
from index.errors import FingerprintMismatchError
from index.records import ChunkDraft
from index.searching.fold import Fold
from index.searching.request import SearchRequest
from models.embedder import Embedder, EmbedderConfig
from tests.other_embedder import make_other_embedder

ROOT = Path(__file__).parents[3]
OLD = "bundled:embedder@local/384"
WAIT_S = 600  # the machines that run this are shared


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """The bundled embedder, and another; with the engine that needs no export."""
    other = make_other_embedder(tmp_path_factory.mktemp("models") / "other")
    configs = [EmbedderConfig(model=name) for name in ("bundled:embedder", other)]
    return [Embedder(config, cache=tmp_path_factory.mktemp("cache")) for config in configs]


@pytest.fixture
def config(monkeypatch, tmp_path, models):
    monkeypatch.setenv("RAGFLEET_DATABASE_URL", f"sqlite:///{tmp_path}/corpus.db")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    config = yaml.safe_load((ROOT / "local.yaml").read_text())
    (block,) = [b for b in config["applications"][0]["deployments"] if b["name"] == "Embedder"]
    block["user_config"] |= {"engine": "torch"}
    path = tmp_path / "local.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.fixture
def catalog(config, tmp_path):
    made = Catalog(f"sqlite:///{tmp_path}/corpus.db")
    made.create_store(name="docs")
    yield made
    made.close()


TEXTS = (
    "The ferry leaves at nine.", "A lost card costs three euros.", "The library lends four books.",
    "Dogs must be on a lead.", "The museum is closed on Mondays.", "Parking is free at night.",
)  # fmt: skip


def add(catalog, model, texts, filename="a.txt"):
    """What the Ingester does."""
    store = catalog.find_store("docs")
    file = catalog.create_file(filename=filename, purpose="assistants", data=b"words")
    catalog.attach_file(store.id, file.id)
    drafts = [
        ChunkDraft(text=text, title="", char_start=i, char_end=i + 1, ordinal=i)
        for i, text in enumerate(texts)
    ]
    vectors = model.embed(["\n" + text for text in texts]).vectors
    catalog.complete_job(catalog.claim_job("a", 60), drafts, vectors, model.fingerprint)
    return store.id


@pytest.fixture
def run(capsys, config):
    """The exit status and the words of the command."""

    def do(*arguments, store="docs"):
        try:
            status = reembed.main(["--store", store, "--config", str(config), *arguments])
        except SystemExit as err:
            status = err.code
        captured = capsys.readouterr()
        return status, " ".join((captured.out + captured.err).split())

    return do


def first_hit(catalog, store_id, text, *models):
    embedded = [model.embed([text], kind="query") for model in models]
    request = SearchRequest(
        stores=(store_id,), text=text, mode="dense", vector=embedded[0].vectors[0],
        fingerprint=embedded[0].fingerprint,
        others={one.fingerprint: one.vectors[0] for one in embedded[1:]},
    )  # fmt: skip
    hit = Fold(catalog).search(request)[0]
    return hit.text, hit.dense_score


def test_a_store_moves_and_goes_back(run, tmp_path, catalog, models):
    old, new = models
    store_id = add(catalog, old, TEXTS)
    (tmp_path / "queries.txt").write_text("When does the boat go?\n\nWhat about dogs [x]?\n")
    moving = ("--model", new.fingerprint.partition("@")[0], "--yes")
    moving += ("--queries", str(tmp_path / "queries.txt"))
    status, words = run(*moving)
    assert status == reembed.NOT_MOVED
    assert "RAY_ADDRESS is not set); if none runs, add --offline" in words
    for part in ("queries │ 2", "mean overlap@10 │ 1.000", "same first hit", "What about dogs [x]"):
        assert part in words
    assert catalog.get_store(store_id).fingerprint == OLD
    assert catalog.count_vectors(store_id) == {OLD: 6, new.fingerprint: 6}

    status, words = run(*moving, "--offline")
    assert (status, catalog.get_store(store_id).fingerprint) == (0, new.fingerprint)
    assert f"'docs' moved from '{OLD}'" in words
    text, score = first_hit(catalog, store_id, "May I bring my dog?", new)
    assert text == "Dogs must be on a lead."
    asked, stored = new.embed(["May I bring my dog?"], kind="query"), new.embed(["\n" + text])
    assert score == pytest.approx(float(asked.vectors[0] @ stored.vectors[0]), abs=1e-4)

    add(catalog, new, ["Swimming is allowed."], "b.txt")
    assert catalog.chunk_ids(store_id, without=OLD) == catalog.chunk_ids(store_id)[-1:]
    status, words = run("--rollback", "--offline")
    assert (status, catalog.get_store(store_id).fingerprint) == (0, OLD)
    assert first_hit(catalog, store_id, "Can one swim there?", old)[0] == "Swimming is allowed."

    assert run("--drop-old") == (0, "7 old vectors deleted")
    assert catalog.count_vectors(store_id) == {OLD: 7}
    status, words = run("--rollback", "--offline")
    assert (status, words) == (reembed.NOT_MOVED, f"error: 'docs' has vectors of '{OLD}' alone")


def test_without_queries_nothing_is_compared_and_yes_is_asked_for(run, catalog, models):
    store_id = add(catalog, models[0], TEXTS)
    moving = ("--model", models[1].fingerprint.partition("@")[0], "--offline")
    status, words = run(*moving)
    assert status == reembed.NOT_MOVED
    assert "nothing was compared: there are no queries; --queries FILE gives some" in words
    assert "run it again with --yes to switch" in words
    assert run(*moving, "--yes")[0] == 0
    assert catalog.get_store(store_id).fingerprint == models[1].fingerprint


@pytest.mark.parametrize("answer", ["y", "n", ""])
def test_the_switch_is_asked_for(run, monkeypatch, tmp_path, catalog, models, answer):
    store_id = add(catalog, models[0], TEXTS[:2])
    (tmp_path / "queries.txt").write_text("When does the boat go?")
    terminal = io.StringIO(f"{answer}\n")
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stdin", terminal)
    model = models[1].fingerprint.partition("@")[0]
    arguments = ("--model", model, "--offline", "--queries", str(tmp_path / "queries.txt"))
    assert run(*arguments)[0] == (0 if answer == "y" else reembed.NOT_MOVED)
    assert (catalog.get_store(store_id).fingerprint != OLD) == (answer == "y")


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ([], WRONG_ARGUMENTS, "one of the arguments --model --rollback --drop-old is required"),
        (["--model", "x/y", "--rollback"], WRONG_ARGUMENTS, "not allowed with argument --model"),
        (["--model", " "], WRONG_ARGUMENTS, "--model: must not be empty, got ' '"),
        (["--model", "x/y", "--engine", "z"], WRONG_ARGUMENTS, "invalid choice: 'z'"),
        (["--model", "x/y"], WRONG_ARGUMENTS, "x/y must be pinned: revision must be 40"),
        (["--model", "x/y", "--queries", "no.txt"], WRONG_ARGUMENTS, "--queries no.txt: "),
        (["--model", "/no"], WRONG_ARGUMENTS, "no model at /no: config.json is missing"),
        (["--model", "bundled:embedder"], reembed.NOT_MOVED, f"embedded by '{OLD}' already"),
    ],
)
def test_what_cannot_be_is_told_with_its_reason(run, catalog, models, arguments, status, message):
    add(catalog, models[0], TEXTS[:1])
    found, words = run(*arguments)
    assert found == status
    assert message in words


def test_a_store_that_is_unknown_or_empty_cannot_move(run, catalog):
    status, words = run("--model", "x/y", store="none")
    assert (status, words) == (
        ENDED_EARLY, "error: no vector store has the id or name 'none'",
    )  # fmt: skip
    status, words = run("--model", "x/y")
    assert status == reembed.NOT_MOVED
    assert "'docs' holds no passage; its first one gets the main model" in words


def test_ctrl_c_leaves_what_is_done(run, catalog, models, monkeypatch):
    add(catalog, models[0], TEXTS[:1])

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("graphs.commands.move.reembed", interrupt)
    status, words = run("--model", models[1].fingerprint.partition("@")[0])
    assert status == INTERRUPTED
    assert "interrupted; what is filled in stays, run it again to go on" in words


def test_a_move_that_was_killed_goes_on(tmp_path, config, catalog, models):
    old, new = models
    texts = [f"Room {n} of the house has {n} windows, {n * n} books and a map." for n in range(700)]
    store_id = add(catalog, old, texts)
    model = new.fingerprint.partition("@")[0]
    arguments = ["--store", "docs", "--config", config, "--model", model, "--yes", "--offline"]
    command = [sys.executable, "-m", "graphs.commands.reembed", *map(str, arguments)]

    def num_filled():
        return catalog.count_vectors(store_id).get(new.fingerprint, 0)

    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    deadline = time.monotonic() + WAIT_S
    while not num_filled():
        assert process.poll() is None, (tmp_path / "log").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    assert process.wait(timeout=30) == -signal.SIGKILL
    filled = num_filled()
    assert 0 < filled < len(texts)
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=WAIT_S, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"/{len(texts) - filled} passages" in done.stdout
    assert catalog.count_vectors(store_id) == {OLD: len(texts), new.fingerprint: len(texts)}
    ids = catalog.chunk_ids(store_id)
    found = catalog.read_vectors(new.fingerprint, ids)
    for chunk_id in ids[:: len(ids) // 5]:
        text = catalog.read_passages([chunk_id])[chunk_id].passage.text
        assert np.allclose(found[chunk_id], new.embed(["\n" + text]).vectors[0], atol=1e-4)


def test_the_block_says_what_else_is_embedded_with(config):
    text = config.read_text().replace(
        "batch_size: 16", "also: [{model: ./x}]\n      batch_size: 16", 1
    )
    config.write_text(text)
    served = read_served(config)
    assert [one.model for one in served.embedders] == ["bundled:embedder", "./x"]
    assert served.embedding_as(None) is served
    assert served.embedding_as("./x@local/7").embedder.model == "./x"
    with pytest.raises(FingerprintMismatchError, match="'y@local/7', the Embedder's block has 'bu"):
        served.embedding_as("y@local/7")


def test_a_system_that_cannot_search_the_new_vectors_is_told_with_what_to_do():
    hub = EmbedderConfig(model="a/b", revision="c" * 40, engine="onnx")
    named, other = hub.fingerprint(8), EmbedderConfig(model="./y")

    def running(config, is_settled=True):
        return Running(
            application="ragfleet", embedders={config.fingerprint(8): config},
            is_settled=is_settled, retriever="Retriever",
        )  # fmt: skip

    assert why_not_served(running(hub), named, hub) is None
    assert why_not_served(running(hub), named, None) is None
    assert "HEALTHY" in why_not_served(running(hub, is_settled=False), named, hub)
    lines = why_not_served(running(other), named, hub)
    assert yaml.safe_load(lines.partition("that:")[2])["also"] == [
        {"model": "a/b", "revision": "c" * 40, "engine": "onnx"}
    ]
    prefixed = EmbedderConfig(model="a/b", revision="c" * 40, document_prefix="passage: ")
    assert "document_prefix: 'passage: '" in why_not_served(running(prefixed), named, hub)
