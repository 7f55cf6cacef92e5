"""A Serve config is read whole or refused, with the line of every fault."""

from pathlib import Path

import pytest

from deployments.embedder import ServedEmbedders
from graphs.errors import ConfigError
from graphs.serve_config.reader import parse_serve_config, read_serve_config

LOCAL = (Path(__file__).parents[3] / "local.yaml").read_text()


def faults_of(text):
    with pytest.raises(ConfigError) as refused:
        parse_serve_config(text, "copy.yaml")
    return str(refused.value).splitlines()


# Changed once in local.yaml; the key of the fault; what is told.
EDITS = [
    ("max_tokens: 192", "max_token: 192", "Reranker.user_config: unknown key 'max_token'; did you"),
    ("threshold: 0.5", "threshold: no", "SafetyFilter.user_config.threshold: must be a valid numb"),
    ("batch_size: 16  ", "batch_size: 0.5  ", "Embedder.user_config.batch_size: must be a valid i"),
    (
        "cache_tokens: 16384",
        "cache_toks: 1",
        "Generator.user_config.engine_options: unknown key 'c",
    ),
    (
        "dtype: float32",
        "dtype: 32",
        "Generator.user_config.engine_options.dtype: must be a valid st",
    ),
    ("max_answer_tokens: 320", "context_tokens: -5", "context_tokens must be at least 1, got -5"),
    (
        "cache_tokens: 16384 ",
        "cache_tokens: -3 ",
        "engine_options: cache_tokens must be at least 1",
    ),
    ("max_batch_tokens: 1024", "page_tokens: 0", "engine_options: page_tokens must be at least 1"),
    ("max_batch_tokens: 1024", "max_batch_tokens: 0", "max_batch_tokens must be at least 1, got 0"),
    (
        " max_concurrent_requests: 16",
        " max_concurrent_requests: -1",
        "engine_options: max_concurrent_requests must be at least 1, got -1",
    ),
    (
        "threshold: 0.5",
        "threshold: 0.0",
        "SafetyFilter.user_config: threshold must be in (0, 1], g",
    ),
    (
        "threshold: 0.5",
        "label_thresholds: {violence: 2}",
        "label_thresholds must be in (0, 1], got 2.0 for 'violence'",
    ),
    ("  engine: transformers", "  engine: tranformers", "must be 'transformers' or 'vllm', got 't"),
    ("chunk_overlap_tokens: 0", "chunk_overlap_tokens: 48", "got 48"),
    (
        "            top_k: 6",
        "            topk: 1",
        "Gateway.user_config.retrieval: unknown key 'top",
    ),
    ("port: 8000", "prt: 8000", "http_options: unknown key 'prt'; did you mean 'port'?"),
    ("proxy_location:", "proxy_locaton:", "unknown key 'proxy_locaton'; did you mean 'proxy_locat"),
    (
        "    route_prefix: /",
        "    route_prefx: /",
        "ragfleet: unknown key 'route_prefx'; did you",
    ),
    ("args: {}", "args: {retriever_shard: 2}", "ragfleet.args: unknown key 'retriever_shard'; did"),
    ("max_ongoing_requests: 512", "max_ongoing_request: 512", "Gateway: unknown key 'max_ongoing_"),
    ("{num_cpus: 0.2}", "{num_cpu: 0.2}", "Gateway.ray_actor_options: unknown key 'num_cpu'; did"),
    ("{min_replicas: 1,", "{min_replica: 1,", "Gateway.autoscaling_config: unknown key 'min_repli"),
    (
        "- name: Reranker",
        "- name: Rerankr",
        "Rerankr: no deployment of the application; did you me",
    ),
    ("- name: Reranker", "- name: Embedder", "Embedder: 2 blocks have this name"),
    ("port: 8000", "port: 99999", "http_options.port: must be in 1..65535, got 99999"),
    (
        "route_prefix: /",
        "route_prefix: api",
        "ragfleet: Invalid route_prefix 'api', must start with a forward slash",
    ),
    (
        "graphs.app:build ",
        "graphs.app:biuld ",
        "import_path: no builder of this application, got 'graphs.app:biuld'; did you mean 'gra",
    ),
    (
        "model: bundled:reranker",
        "model: bundled:rerankr",
        "got 'bundled:rerankr'; did you mean 'bundled:reranker'?",
    ),
    (
        "model: bundled:generator",
        "model: generator",
        "model must be bundled:<name>, a path or org/name, got 'generator'",
    ),
    (
        "model: bundled:safety",
        "model: org/safety",
        "SafetyFilter.user_config: model org/safety must be pinned: revision must be 40 hex",
    ),
    (
        "model: bundled:safety",
        "model: org/safety\n          revision: main",
        "must be pinned: revision must be 40 hexadecimal digits, got 'main'",
    ),
    (
        "            top_k: 6",
        "            top_k: 13",
        "Gateway.user_config.retrieval: top_k must be at most num_candidates (12), got 13",
    ),
    ("user_config: {}", "health_check_period_s: 5", "Retriever: key 'health_check_period_s' stand"),
]


@pytest.mark.parametrize(("old", "new", "told"), EDITS, ids=[new.strip() for _, new, _ in EDITS])
def test_a_fault_is_told_with_file_line_and_place(old, new, told):
    assert old in LOCAL
    changed = LOCAL.replace(old, new, 1)
    number = next(n for n, line in enumerate(LOCAL.splitlines(), 1) if old in line)
    lines = faults_of(changed)
    assert any(told in line for line in lines), lines
    if "Embedder" not in new and "stand" not in told:
        assert any(line.startswith(f"copy.yaml:{number}: ") for line in lines if told in line)


def test_every_fault_of_a_file_is_told_in_the_order_of_the_lines():
    changed = LOCAL
    for old, new, _ in EDITS[:3]:
        changed = changed.replace(old, new, 1)
    lines = faults_of(changed)
    assert len(lines) == 3
    numbers = [int(line.split(":")[1]) for line in lines]
    assert numbers == sorted(numbers)


def test_a_missing_block_and_missing_settings_are_told():
    at = LOCAL.index("      - name: Ingester")
    assert any("ragfleet.deployments: missing block 'Ingester'" in f for f in faults_of(LOCAL[:at]))
    bare = LOCAL[:at] + "      - name: Ingester\n"
    defaults = "{} stands for the defaults"
    (fault,) = faults_of(bare)
    assert fault.endswith(f"Ingester: missing key 'user_config'; {defaults}")
    (fault,) = faults_of(bare + "        user_config:\n")
    assert fault.endswith(f"Ingester: user_config must be a mapping, got null; {defaults}")
    line = len((bare + "        user_config:").splitlines())
    assert fault.startswith(f"copy.yaml:{line}: ")
    bare = LOCAL.replace("model: bundled:safety", "").replace("engine: onnx\n          thr", "thr")
    (fault,) = faults_of(bare.replace("threshold: 0.5", ""))
    assert fault.endswith(
        "SafetyFilter: user_config must be a mapping, got null; in it, missing key 'model'"
    )


@pytest.mark.parametrize("deployments", ["{}", "3", ""])
def test_deployments_that_are_no_list_are_one_fault(deployments):
    at = LOCAL.index("    deployments:")
    (fault,) = faults_of(f"{LOCAL[:at]}    deployments: {deployments}\n")
    assert "ragfleet.deployments: must be a valid array, got" in fault


def test_a_request_may_want_more_passages_than_are_configured():
    settings = parse_serve_config(LOCAL, "copy.yaml").gateway.retrieval
    assert settings.overridden({"top_k": 50}).top_k == 50 > settings.num_candidates


def test_shards_need_a_block_each():
    changed = LOCAL.replace("args: {}", "args: {retriever_shards: 2}")
    told = "\n".join(faults_of(changed))
    assert "missing block 'Retriever1'" in told
    assert "Retriever: no deployment of the application; did you mean" in told


def test_an_application_of_somebody_else_is_left_to_serve():
    other = "\n  - {name: other, route_prefix: /o, import_path: 'elsewhere:app', deployments: []}\n"
    config = parse_serve_config(LOCAL + other, "copy.yaml")
    assert config.application == "ragfleet"
    assert any("other: unknown key 'rte'" in fault for fault in faults_of(LOCAL + other.replace(
        "route_prefix: /o", "rte: /o"
    )))  # fmt: skip


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "copy.yaml: must be a mapping|must hold one application"),
        ("- 1", "copy.yaml:1: must be a mapping, got"),
        ("a: [\nb: {", "copy.yaml:2: no YAML: "),
        ("applications: 3", "copy.yaml:1: applications"),
    ],
)
def test_what_is_no_config_at_all_is_told(text, told):
    with pytest.raises(ConfigError, match=told):
        parse_serve_config(text, "copy.yaml")


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ConfigError, match=r"no\.yaml: No such file or directory"):
        read_serve_config(tmp_path / "no.yaml")


def test_the_typed_settings_name_every_model():
    also = "model: bundled:embedder\n          also: [{model: ./x}]"
    config = parse_serve_config(LOCAL.replace("model: bundled:embedder", also), "copy.yaml")
    names = {f"bundled:{name}" for name in ("embedder", "reranker", "safety", "generator")}
    assert config.models == names | {"./x"}
    assert config.settings("Embedder", ServedEmbedders).batch_size == 16
    with pytest.raises(ConfigError, match="no block Embedders"):
        config.settings("Embedders", ServedEmbedders)
