"""Models that die, and models that cannot be loaded, in real replicas of all four deployments."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import yaml

from tests.ray_environment import BIN, ROOT, ray_environment

sys.path.insert(0, str(ROOT / "tests" / "models" / "fetching"))
from hub_server import COMMIT, serving

pytestmark = [pytest.mark.ray, pytest.mark.systems]

MODELS = ("Embedder", "Reranker", "SafetyFilter", "Generator")
BUNDLED = dict(zip(MODELS, ("embedder", "reranker", "safety", "generator"), strict=True))
# With other engines than the bundled models have, each case reaches the loader of its deployment.
ENGINES = {"Generator": {"engine_options": {"cache_tokens": 4096}}}
HUB = {"model": "org/name", "revision": COMMIT}
SETTLED_S = 120


class Living:
    """The system, its settings, and what is asked of it."""

    def __init__(self, system, dashboard, hub, ask):
        self.system, self._dashboard, self.hub, self.ask = system, dashboard, hub, ask
        config = yaml.safe_load(system.config.read_text())["applications"][0]
        self.good = {block["name"]: block["user_config"] for block in config["deployments"]}
        self._environment = {**os.environ, **ray_environment(system.folder)}

    def deploy(self, change):
        """Changes the `user_config` of the four models, as a platform engineer does."""
        config = yaml.safe_load(self.system.config.read_text())
        for block in config["applications"][0]["deployments"]:
            if block["name"] in MODELS:
                block["user_config"] = change(block["name"], block["user_config"])
        self.system.config.write_text(yaml.safe_dump(config))
        subprocess.run(
            [BIN / "serve", "deploy", "--address", self._dashboard, self.system.config],
            env=self._environment, check=True, capture_output=True, timeout=120, cwd=ROOT,
        )  # fmt: skip

    def status(self):
        """What `serve status` says of each deployment."""
        done = subprocess.run(
            [BIN / "serve", "status", "--address", self._dashboard],
            env=self._environment, check=True, capture_output=True, timeout=120, cwd=ROOT,
        )  # fmt: skip
        return yaml.safe_load(done.stdout)["applications"]["ragfleet"]["deployments"]

    def describe(self):
        return {name: self.ask(f"describe {name}") for name in MODELS}

    def until(self, what, found):
        deadline = time.monotonic() + SETTLED_S
        while not found():
            assert time.monotonic() < deadline, (what, self.describe(), self.status())
            time.sleep(0.5)

    def post(self, path, **body):
        return httpx.post(f"{self.system.url}/v1/{path}", json=body, timeout=120)

    def write(self):
        words = [{"role": "user", "content": "Go on."}]
        return self.post("chat/completions", model="generator", messages=words, max_tokens=40)

    def assert_all_answer(self):
        assert self.post("embeddings", model="embedder", input="a").status_code == 200
        documents = {"query": "a", "documents": ["a", "b"]}
        assert self.post("rerank", model="reranker", **documents).status_code == 200
        assert self.post("moderations", input="a").status_code == 200
        assert self.write().status_code == 200


def free(blocks):
    """Answers that are written; a generator without a slot is told soon."""
    settings = blocks["Gateway"]["user_config"]
    settings |= {"answers": "free", "timeouts": {"slot_s": 3}, "safety": {"check_answer": False}}


@pytest.fixture(scope="module")
def living(start_system, probing, tmp_path_factory):
    state = tmp_path_factory.mktemp("state")
    (state / "models").mkdir()
    for made in (ROOT / ".ragfleet" / "models").glob("*"):  # none: the replicas make them
        (state / "models" / made.name).symlink_to(made)
    with serving({}) as (hub, address):
        environment = {"HF_ENDPOINT": address, "HF_HUB_OFFLINE": "0", "RAGFLEET_STATE": str(state)}
        app = "tests.end_to_end.life_app:build"
        with (
            start_system(app, free, environment) as (system, dashboard),
            probing(system.ray_address, ray_environment(system.folder)) as ask,
        ):
            yield Living(system, dashboard, hub, ask)


def checkpoint(folder, **config):
    """A folder that looks like a model."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def pickled(living, tmp_path):
    folder = checkpoint(tmp_path / "pickled")
    (folder / "pytorch_model.bin").write_bytes(b"pickle")
    return {"model": str(folder)}, "UnsafeModelError"


def nowhere(living, tmp_path):
    return {"model": str(tmp_path / "nowhere")}, "ModelNotFoundError"


def misspelt(living, tmp_path):
    return {"model": "bundled:generator", "modle": "x"}, "unknown key 'modle'"


def too_large(living, tmp_path):
    """A model that wants more memory than there is in the world."""
    sizes = {"hidden_size": 64, "num_hidden_layers": 1, "intermediate_size": 64}
    folder = tmp_path / "large"
    shutil.copytree(ROOT / "models" / "bundled" / "generator-full", folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | sizes | {"vocab_size": 2**44}))
    return {"model": str(folder)}, "Error"


def full_disk(living, tmp_path):
    living.hub.files = {"config.json": b"{}", "model.safetensors": b"weights"}
    living.hub.told = {"model.safetensors": {"size": 10**15}}
    return HUB, "needs 1000000.00 GB more"


def wrong_checksum(living, tmp_path):
    living.hub.files = {"config.json": b"{}", "model.safetensors": b"weights"}
    living.hub.told = {"model.safetensors": {"sha256": "0" * 64}}
    return HUB, "the hub says 0000"


def interrupted(living, tmp_path):
    living.hub.files = {"config.json": b"{}", "model.safetensors": b"weights" * 9}
    living.hub.told, living.hub.breaks = {}, 0
    return HUB, "the next try goes on from there"


def test_models_of_this_machine_ask_no_hub(living):
    assert living.hub.asked == []


@pytest.mark.parametrize(
    "case",
    [nowhere, misspelt, pickled, full_disk, wrong_checksum, interrupted, too_large],
    ids=lambda case: case.__name__,
)
def test_a_model_that_cannot_be_served_leaves_the_old_one_and_tells_why(living, tmp_path, case):
    before = living.describe()
    block, reason = case(living, tmp_path)
    living.deploy(lambda name, good: {**block, **ENGINES.get(name, {})})
    living.until(
        case, lambda: all(reason in one["life"]["failure"] for one in living.describe().values())
    )
    living.assert_all_answer()
    after = living.describe()
    for name in MODELS:
        assert after[name]["pid"] == before[name]["pid"]
        assert after[name]["model"] == f"bundled:{BUNDLED[name]}"
    living.until(
        "serve status", lambda: all(reason in living.status()[name]["message"] for name in MODELS)
    )
    living.deploy(lambda name, _: living.good[name])
    living.until(
        "good", lambda: not any(one["life"]["failure"] for one in living.describe().values())
    )
    assert {one["pid"] for one in living.describe().values()} == {
        one["pid"] for one in before.values()
    }


def test_a_new_replica_with_a_wrong_model_fails_loudly(living, tmp_path):
    block, reason = nowhere(living, tmp_path)
    living.deploy(lambda name, good: block if name == "Reranker" else good)
    living.until("wrong", lambda: living.ask("describe Reranker")["life"]["failure"])
    os.kill(living.ask("describe Reranker")["pid"], signal.SIGKILL)
    living.until(
        "status",
        lambda: (
            reason in living.status()["Reranker"]["message"]
            and living.status()["Reranker"]["status"] != "HEALTHY"
        ),
    )
    living.deploy(lambda name, _: living.good[name])
    living.until("good", lambda: living.status()["Reranker"]["status"] == "HEALTHY")
    living.assert_all_answer()


def test_a_generator_whose_engine_dies_is_replaced_and_nobody_gets_an_error(living):
    pid = living.ask("describe Generator")["pid"]
    with ThreadPoolExecutor(20) as pool:
        first = [pool.submit(living.write) for _ in range(5)]
        time.sleep(0.5)
        living.ask("lose Generator")
        replies = [
            one.result() for one in [*first, *(pool.submit(living.write) for _ in range(15))]
        ]
    assert {reply.status_code for reply in replies} <= {200, 503}, [r.text for r in replies]
    for reply in replies:
        assert reply.status_code == 200 or "retry-after" in reply.headers
    living.until("another", lambda: living.write().status_code == 200)
    # The router of the probe may know the old one for a while longer.
    living.until("another pid", lambda: living.ask("describe Generator")["pid"] != pid)
