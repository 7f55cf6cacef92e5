import re

import pytest

from chaos.simulated.generator import SimulatedGeneratorConfig
from deployments.embedder import ServedEmbedders
from deployments.ingester import IngesterConfig
from deployments.user_config import faults_of, parse_config
from graphs.config import GatewayConfig
from models.embedder import EmbedderConfig
from models.engines.vllm_config import VllmEngineConfig
from models.errors import InvalidInputError
from models.generator import GeneratorConfig
from models.reranker import RerankerConfig
from models.safety import SafetyConfig

MODEL = {"model": "a/b", "revision": "c" * 40}


@pytest.mark.parametrize(
    ("config_class", "block", "told"),
    [
        (EmbedderConfig, MODEL | {"batchsize": 3}, "'batchsize'; did you mean 'batch_size'"),
        (
            EmbedderConfig,
            MODEL | {"zzz": 3},
            "unknown key 'zzz'; known are allow_cpu, batch_size, ",
        ),
        (EmbedderConfig, {}, "missing key 'model'"),
        (EmbedderConfig, MODEL | {"batch_size": 0}, "batch_size must be in 1..1024, got 0"),
        (EmbedderConfig, MODEL | {"batch_size": 0.5}, "batch_size: must be a valid integer, got 0"),
        (EmbedderConfig, MODEL | {"batch_size": True}, "must be a valid integer, got True"),
        (EmbedderConfig, {"model": 7}, "model: must be a valid string, got 7"),
        (EmbedderConfig, MODEL | {"engine": "magic"}, "must be 'torch' or 'onnx', got 'magic'"),
        (RerankerConfig, MODEL | {"max_tokens": 3}, "max_tokens must be at least 8, got 3"),
        (SafetyConfig, MODEL | {"threshold": 1.5}, "threshold must be in (0, 1], got 1.5"),
        (SafetyConfig, MODEL | {"flag_personal_data": "no"}, "must be a valid boolean, got 'no'"),
        (SafetyConfig, MODEL | {"label_map": {"toxic": 1}}, "label_map.toxic: must be a valid str"),
        (SafetyConfig, MODEL | {"label_map": {1: "hate"}}, "label_map: key 1 must be text: put"),
        (SafetyConfig, MODEL | {"label_thresholds": {"hate": 0}}, "(0, 1], got 0.0 for 'hate'"),
        (EmbedderConfig, MODEL | {"matryoshka_dims": [64, 0]}, "at least 1 each, got (64, 0)"),
        (VllmEngineConfig, {"gpu_memory_utilization": 0}, "gpu_memory_utilization must be in (0, "),
        (VllmEngineConfig, {"gpu_memory_utilization": 1.1}, "in (0, 1], got 1.1"),
        (VllmEngineConfig, {"max_concurrent_requests": 0}, "must be at least 1, got 0"),
        (SimulatedGeneratorConfig, {"tokens_per_s": 0}, "tokens_per_s must be above 0, got 0"),
        (SimulatedGeneratorConfig, {"context_tokens": 0}, "context_tokens must be at least 1"),
        (SimulatedGeneratorConfig, {"temperature": -1}, "temperature must be in 0..2, got -1"),
        (GeneratorConfig, MODEL | {"engine": "magic"}, "'magic'"),
        (GeneratorConfig, MODEL | {"temperature": 3}, "temperature must be in 0..2, got 3"),
        (IngesterConfig, {"parse_limits": {"wal_s": 3}}, "parse_limits: unknown key 'wal_s'; did"),
        (IngesterConfig, {"parse_limits": {"wall_s": 0}}, "wall_s must be a whole number in 1"),
        (GatewayConfig, {"retrieval": {"topk": 3}}, "retrieval: unknown key 'topk'; did you mean"),
        (GatewayConfig, {"retrieval": {"top_k": 0}}, "retrieval.top_k: must be greater than or"),
    ],
)
def test_a_wrong_user_config_is_refused_with_its_key(config_class, block, told):
    with pytest.raises(InvalidInputError, match=re.escape(told)):
        parse_config(config_class, block)


def test_a_whole_number_is_a_float_and_a_list_a_tuple():
    block = MODEL | {"matryoshka_dims": [64, 128], "also": [{"model": "./x"}]}
    assert parse_config(ServedEmbedders, block).matryoshka_dims == (64, 128)
    assert parse_config(ServedEmbedders, block).also == (EmbedderConfig(model="./x"),)
    assert parse_config(SafetyConfig, MODEL | {"threshold": 1}).threshold == 1.0


def test_all_faults_are_told_at_once():
    block = {"batchsize": 3, "max_tokens": "many", "also": [MODEL | {"engin": "onnx"}]}
    told = "; ".join(map(str, faults_of(ServedEmbedders, block)))
    for part in ("'batchsize'", "'many'", "also.0: unknown key 'engin'", "missing key 'model'"):
        assert part in told


def test_what_only_yaml_knows_is_refused_with_its_place():
    import datetime

    block = MODEL | {"template_options": {"since": datetime.date(2026, 1, 2)}}
    (fault,) = faults_of(GeneratorConfig, block)
    assert fault.where == ("template_options", "since")
    assert "2026" in fault.message
