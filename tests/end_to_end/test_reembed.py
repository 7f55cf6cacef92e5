"""A store that moves to another embedder and back, while it is searched and written to."""

import os
import subprocess
import sys
import threading

import openai
import pytest
import yaml

from tests.handbook import load_handbook
from tests.other_embedder import make_other_embedder
from tests.ray_environment import BIN, ROOT, ray_environment

pytestmark = [pytest.mark.ray, pytest.mark.systems]

COMMAND_S = 600  # the machines that run this are shared
OLD = "bundled:embedder@local/384"
# As many as the command embeds on the cluster rather than in its own process.
ROOMS = "\n\n".join(
    f"Room number {n} of the old house on the hill has {n} windows, which look at {n * n} trees, "
    f"and a shelf with {n + 7} green books about birds, ships and stars." for n in range(1200)
)  # fmt: skip
# Where both embedders find the answer.
QUESTIONS = {
    "How large may a file be?": "documents.md",
    "What happens when the safety filter is down?": "safety.md",
}


class Moving:
    """A served system, and the command at work on it."""

    def __init__(self, system, dashboard, other):
        self.system, self._dashboard, self.other = system, dashboard, other
        self.client = system.openai

    @property
    def _environment(self):
        return {
            **os.environ, **ray_environment(self.system.folder),
            "RAGFLEET_DATABASE_URL": self.system.database, "RAY_ADDRESS": self.system.ray_address,
        }  # fmt: skip

    def reembed(self, *arguments):
        """The exit status and the words of the command."""
        command = [sys.executable, "-m", "graphs.commands.reembed", "--store", "handbook"]
        done = subprocess.run(
            [*command, "--config", self.system.config, *arguments], env=self._environment,
            cwd=ROOT, capture_output=True, text=True, timeout=COMMAND_S, check=False,
        )  # fmt: skip
        return done.returncode, " ".join((done.stdout + done.stderr).split())

    def reembed_when_settled(self, *arguments):
        """The same once the replicas have the settings that were deployed last."""
        for _ in range(10):
            status, words = self.reembed(*arguments)
            if "HEALTHY" not in words and "does not serve" not in words:
                break
        return status, words

    def deploy(self, **embedder):
        """Edits the Embedder's block, as a platform engineer does."""
        config = yaml.safe_load(self.system.config.read_text())
        (block,) = [b for b in config["applications"][0]["deployments"] if b["name"] == "Embedder"]
        block["user_config"] = embedder
        self.system.config.write_text(yaml.safe_dump(config))
        subprocess.run(
            [BIN / "serve", "deploy", "--address", self._dashboard, self.system.config],
            env=self._environment, check=True, capture_output=True, timeout=120, cwd=ROOT,
        )  # fmt: skip

    def first_hits(self, store_id):
        """The files in which the answers are found."""
        return {
            question: self.client.vector_stores.search(
                store_id, query=question, ranking_options={"ranker": "none"}
            ).data[0].filename
            for question in QUESTIONS
        }  # fmt: skip


@pytest.fixture
def moving(start_system, tmp_path):
    other = make_other_embedder(tmp_path / "other")
    with start_system("tests.end_to_end.moving_app:build") as (system, dashboard):
        yield Moving(system, dashboard, other)


class Users:
    """Searches and uploads, until they are told to stop; what fails is kept."""

    def __init__(self, moving, store_id):
        self._moving, self._store_id = moving, store_id
        self._ended = threading.Event()
        self.failures, self.num_searches, self.num_uploads = [], 0, 0
        self._threads = [threading.Thread(target=self._keep, args=(one,)) for one in self.acts]

    @property
    def acts(self):
        return self._search, self._upload

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _keep(self, act):
        while not self._ended.wait(0.2):
            try:
                act()
            except (openai.OpenAIError, AssertionError) as err:
                self.failures.append(repr(err))

    def _search(self):
        assert self._moving.first_hits(self._store_id) == QUESTIONS
        self.num_searches += len(QUESTIONS)

    def _upload(self):
        """A document is found as soon as it is said to be there, and not when it is gone."""
        client, word = self._moving.client, f"zebra{self.num_uploads}"
        name, data = f"{word}.txt", f"The animal {word} is called Ludwig.".encode()
        stores = client.vector_stores
        file = client.files.create(file=(name, data), purpose="assistants")
        done = stores.files.create_and_poll(file.id, vector_store_id=self._store_id)
        assert done.status == "completed", done.last_error
        assert name in self._found(word)
        if self.num_uploads % 3 == 0:
            client.files.delete(file.id)
            assert name not in self._found(word)
        self.num_uploads += 1

    def _found(self, word):
        query = f"What is {word} called?"
        found = self._moving.client.vector_stores.search(
            self._store_id, query=query, max_num_results=50, ranking_options={"ranker": "none"}
        )
        return [hit.filename for hit in found.data]


def test_a_store_moves_and_goes_back_under_load_and_nothing_fails(moving):
    client = moving.client
    store = load_handbook(client)
    uploaded = client.files.create(file=("rooms.md", ROOMS.encode()), purpose="assistants")
    client.vector_stores.files.create_and_poll(uploaded.id, vector_store_id=store.id)
    main = {"model": "bundled:embedder", "engine": "onnx"}
    other = {"model": moving.other, "engine": "onnx"}
    with Users(moving, store.id) as users:
        status, words = moving.reembed("--model", moving.other, "--yes", "--engine", "onnx")
        assert status == 3, words
        assert f"does not serve '{moving.other}@local/384'" in words
        assert f"also: - model: {moving.other} engine: onnx" in words

        moving.deploy(**main, also=[other])
        status, words = moving.reembed_when_settled("--model", moving.other, "--yes")
        assert status == 0, words
        assert "mean overlap@10" in words
        num_moved = users.num_searches

        moving.deploy(**other, also=[main])  # new stores get the other one from now on
        status, words = moving.reembed_when_settled("--model", moving.other)
        assert (status, "already" in words) == (3, True), words
        status, words = moving.reembed_when_settled("--rollback")
        assert status == 0, words
        assert f"from '{moving.other}@local/384' to '{OLD}'" in words
        assert moving.first_hits(store.id) == QUESTIONS
    assert users.failures == []
    assert 0 < num_moved < users.num_searches
    assert users.num_uploads > 3
    assert moving.reembed("--drop-old")[0] == 0
    assert moving.first_hits(store.id) == QUESTIONS
