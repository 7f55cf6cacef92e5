"""The YAML files: every key is one that Serve reads, and every block fits its model."""

from pathlib import Path

import pytest
import yaml
from ray.serve._private.build_app import build_app
from ray.serve.config import AutoscalingConfig
from ray.serve.schema import (
    DeploymentSchema,
    HTTPOptionsSchema,
    RayActorOptionsSchema,
    ServeApplicationSchema,
    ServeDeploySchema,
)

from deployments.ingester import IngesterConfig
from deployments.retriever import RetrieverConfig
from deployments.settings import parse_config
from graphs.app import build
from graphs.config import AppArgs, GatewayConfig
from models.embedder import EmbedderConfig
from models.engines.transformers_engine import TransformersEngineConfig
from models.engines.vllm_engine import VllmEngineConfig
from models.generator import GeneratorConfig
from models.reranker import RerankerConfig
from models.safety import SafetyConfig
from tests.sharded_config import sharded

ROOT = Path(__file__).parents[1]
USER_CONFIGS = {
    "Embedder": EmbedderConfig,
    "Retriever": RetrieverConfig,
    "Reranker": RerankerConfig,
    "SafetyFilter": SafetyConfig,
    "Generator": GeneratorConfig,
    "Ingester": IngesterConfig,
}
ENGINES = {"transformers": TransformersEngineConfig, "vllm": VllmEngineConfig}


def unknown_keys(schema, given):
    return sorted(set(given) - set(schema.model_fields))


@pytest.fixture(
    params=[("local.yaml", 1), ("cluster.yaml", 1), ("cluster.yaml", 3)],
    ids=lambda param: f"{param[0]}, shards: {param[1]}",
)
def config(request):
    name, num_shards = request.param
    read = yaml.safe_load((ROOT / name).read_text())
    return read if num_shards == 1 else sharded(read, num_shards)


def test_serve_knows_every_key(config):
    """Serve ignores unknown keys silently, so a misspelt one would do nothing."""
    (application,) = config["applications"]
    assert unknown_keys(ServeDeploySchema, config) == []
    assert unknown_keys(HTTPOptionsSchema, config["http_options"]) == []
    assert unknown_keys(ServeApplicationSchema, application) == []
    for block in application["deployments"]:
        assert unknown_keys(DeploymentSchema, block) == []
        assert unknown_keys(AutoscalingConfig, block["autoscaling_config"]) == []
        assert unknown_keys(RayActorOptionsSchema, block["ray_actor_options"]) == []
    ServeDeploySchema.model_validate(config)


def test_every_user_config_fits_its_deployment(config):
    (application,) = config["applications"]
    blocks = {block["name"]: block["user_config"] for block in application["deployments"]}
    GatewayConfig.model_validate(blocks.pop("Gateway"))
    AppArgs.model_validate(application["args"])
    parsed = {
        name: parse_config(USER_CONFIGS[name.rstrip("0123456789")], block)
        for name, block in blocks.items()
    }
    generator = parsed["Generator"]
    engine = parse_config(ENGINES[generator.engine], generator.engine_options)
    slots = {b["name"]: b["max_ongoing_requests"] for b in application["deployments"]}
    assert slots["Generator"] == engine.max_concurrent_requests


def test_every_deployment_has_a_block_and_every_block_a_deployment(config):
    (application,) = config["applications"]
    built = build_app(build(AppArgs.model_validate(application["args"])), name="ragfleet")
    names = [block["name"] for block in application["deployments"]]
    assert sorted(names) == sorted(deployment.name for deployment in built.deployments)


def test_every_queue_is_bounded(config):
    for block in config["applications"][0]["deployments"]:
        assert block["max_queued_requests"] > 0, block["name"]


def test_models_of_the_cluster_are_pinned_by_commit():
    config = yaml.safe_load((ROOT / "cluster.yaml").read_text())
    for block in config["applications"][0]["deployments"]:
        if "model" in block["user_config"]:
            assert len(block["user_config"]["revision"]) == 40, block["name"]


@pytest.mark.parametrize("name", ["local.yaml", "cluster.yaml"])
def test_line_one_says_what_the_file_is(name):
    assert "Ray Serve config (not a `ray up` file)" in (ROOT / name).read_text().splitlines()[0]
