"""The YAML files: every key is one that is read, and every block fits its deployment."""

from pathlib import Path
from typing import get_args, get_type_hints

import pytest
import yaml
from ray.serve._private.build_app import build_app

from deployments.user_config import parse_config
from graphs.app import build
from graphs.serve_config.blocks import ENGINES
from graphs.serve_config.reader import parse_serve_config
from models.generator import GeneratorConfig
from tests.sharded_config import sharded

ROOT = Path(__file__).parents[1]


@pytest.fixture(
    params=[("local.yaml", 1), ("cluster.yaml", 1), ("cluster.yaml", 3)],
    ids=lambda param: f"{param[0]}, shards: {param[1]}",
)
def config(request):
    name, num_shards = request.param
    text = (ROOT / name).read_text()
    if num_shards > 1:
        text = yaml.safe_dump(sharded(yaml.safe_load(text), num_shards))
    return parse_serve_config(text, name)


def test_a_request_at_a_generator_has_a_slot(config):
    generator = config.settings("Generator", GeneratorConfig)
    engine = parse_config(ENGINES[generator.engine], generator.engine_options)
    slots = config.blocks["Generator"].deployment.max_ongoing_requests
    assert slots == engine.max_concurrent_requests


def test_every_engine_has_a_class_for_its_options():
    assert set(ENGINES) == set(get_args(get_type_hints(GeneratorConfig)["engine"]))


def test_every_deployment_has_a_block_and_every_block_a_deployment(config):
    built = build_app(build(config.args), name="ragfleet")
    assert sorted(config.blocks) == sorted(deployment.name for deployment in built.deployments)


def test_every_queue_is_bounded(config):
    for name, block in config.blocks.items():
        assert block.deployment.max_queued_requests > 0, name


def test_models_of_the_cluster_are_pinned_by_commit():
    config = yaml.safe_load((ROOT / "cluster.yaml").read_text())
    for block in config["applications"][0]["deployments"]:
        if "model" in block["user_config"]:
            assert len(block["user_config"]["revision"]) == 40, block["name"]


@pytest.mark.parametrize("name", ["local.yaml", "cluster.yaml"])
def test_line_one_says_what_the_file_is(name):
    assert "Ray Serve config (not a `ray up` file)" in (ROOT / name).read_text().splitlines()[0]
