"""Shares of GPUs that a model cannot use are refused before anything starts."""

from pathlib import Path

import pytest
import yaml

from graphs.errors import ConfigError
from graphs.serve_config.reader import parse_serve_config

ROOT = Path(__file__).parents[3]


def read(name, num_gpus=None, block=None, **user_config):
    """`cluster.yaml` with another share and other settings in one block."""
    config = yaml.safe_load((ROOT / "cluster.yaml").read_text())
    (found,) = [b for b in config["applications"][0]["deployments"] if b["name"] == name]
    if num_gpus is not None:
        found["ray_actor_options"]["num_gpus"] = num_gpus
    found |= block or {}
    found["user_config"] |= user_config
    return parse_serve_config(yaml.safe_dump(config), "copy.yaml")


TRANSFORMERS = {"engine": "transformers", "engine_options": {"max_concurrent_requests": 64}}


@pytest.mark.parametrize(
    ("name", "num_gpus", "settings", "told"),
    [
        (
            "Generator",
            1.5,
            {},
            "Generator.ray_actor_options: num_gpus must be at most 1 or",
        ),
        ("Generator", 2, TRANSFORMERS, "vllm uses several, got 2"),
        ("Reranker", 0.4, {"engine": "onnx"}, "must be 0 for `engine: onnx`, which runs on a CPU"),
        ("Embedder", 2, {}, "an encoder uses one GPU, got 2"),
    ],
)
def test_a_share_that_a_model_cannot_use_is_refused(name, num_gpus, settings, told):
    with pytest.raises(ConfigError, match=told):
        read(name, num_gpus, **settings)


def test_a_model_is_not_spread_over_nodes():
    bundles = {"placement_group_bundles": [{"GPU": 1, "CPU": 2}, {"GPU": 1, "CPU": 2}]}
    with pytest.raises(ConfigError, match="split over the GPUs of one node"):
        read("Generator", block=bundles)


@pytest.mark.parametrize(
    ("name", "num_gpus", "settings"),
    [
        ("Generator", 4, {}),
        ("Generator", 0.5, TRANSFORMERS),
        ("Generator", 2, TRANSFORMERS | {"allow_cpu": True}),
        ("Reranker", 0, {"engine": "onnx"}),
        ("SafetyFilter", 0.2, {}),
    ],
)
def test_a_share_that_a_model_can_use_is_taken(name, num_gpus, settings):
    read(name, num_gpus, **settings)
