"""Mistakes that a platform engineer makes, planted in copies of the YAML, each with its line."""

from pathlib import Path

import pytest
import yaml

from graphs.errors import ConfigError
from graphs.serve_config.checks import faults_in
from graphs.serve_config.config_file import ConfigFile
from graphs.serve_config.places import fits
from graphs.serve_config.reader import parse_serve_config
from tests.graphs.serve_config.planted_for_serve import APPLICATION, FOR_SERVE, TOP, above

CLUSTER = (Path(__file__).parents[3] / "cluster.yaml").read_text()
ON_DEMAND = "          label_selector: {ray.io/market-type: on-demand}  # a lost"
SPOT = "            - label_selector: {ray.io/market-type: spot}"
SLOTS = "        max_ongoing_requests: 64       # = max_concurrent"

# What is written, what is planted instead, what is told.
PLANTED = [
    ("proxy_location: Every", "proxy_locations: Every", "did you mean 'proxy_location'?"),
    ("http_options:", "http_option:", "did you mean 'http_options'?"),
    ("  port: 8000", "  port: '8000'", "port: must be a valid integer, got '8000'"),
    ("max_ongoing_requests: 512", "max_ongoing_reqests: 512", "did you mean 'max_ongoing_requ"),
    (
        "        max_queued_requests: 512 ",
        "        max_queued_requests: -1 ",
        "a queue without a limi",
    ),
    ("        max_queued_requests: 128\n", "", "Reranker: max_queued_requests must be set, got -1"),
    (
        "target_ongoing_requests: 100",
        "target_ongoing_requests: 600",
        "at most max_ongoing_requests",
    ),
    ("min_replicas: 1\n", "min_replicas: 3\n", "must be greater than or equal to min_replicas"),
    (
        "            policy_kwargs: {queued_s: 0.5,",
        "            policy_kwargs: {queue_s: 0.5,",
        "did you mean 'queued_s'?",
    ),
    ("{queued_s: 0.5, busy: 0.7}", "{queued_s: 0.5, busy: 70}", "busy must be in (0, 1], got 70"),
    ("{queued_s: 0.5, busy: 0.7}", "{tokens: 9}", "does not tell 'tokens': it tells queued_s, bu"),
    ("              cache_use: 0.7 ", "              cache_use: '0.7' ", "number, got '0.7'"),
    ("scaling:LoadPolicy", "scaling:LoadPolice", "did you mean 'deployments.scaling:LoadPolicy'"),
    (
        "            policy_function: ",
        "            policy_functions: ",
        "did you mean 'policy_function'?",
    ),
    ("retry_after_s: 1", "retry_after: 1", "did you mean 'retry_after_s'?"),
    ("{most_ahead: 8}", "{most_ahed: 8}", "did you mean 'most_ahead'?"),
    ("{most_ahead: 8}", "{most_ahead: 0}", "most_ahead must be at least 1, got 0"),
    (
        "num_candidates: 40 ",
        "num_candidates: 6 ",
        "top_k must be at most num_candidates (6), got 8",
    ),
    (ON_DEMAND, ON_DEMAND.replace("on-d", "on_d"), "got 'on_demand'; did you mean 'on-demand'?"),
    (ON_DEMAND, ON_DEMAND.replace("type", "typ"), "did you mean 'ray.io/market-type'?"),
    (
        SPOT,
        "            - {ray.io/market-type: spot}",
        "must be {label_selector: {<label>: <value>",
    ),
    ("graceful_shutdown_timeout_s: 5 #", "graceful_shutdown_timeout_s: 120 #", "must be below 113"),
    (SLOTS, SLOTS.replace("64", "32"), "max_concurrent_requests (64), got 32: slots of the engine"),
    (SLOTS, SLOTS.replace("64", "256"), "got 256: requests would wait in a replica"),
    ("context_tokens: 16384 ", "context_tokens: 1024 ", "must be below context_tokens (1024)"),
    ("num_gpus: 0.3 ", "num_gpus: 1.5 ", "num_gpus must be at most 1 or a whole number, got 1.5"),
    ("num_gpus: 2  ", "num_gpus: 0  ", "`engine: vllm` needs num_gpus in ray_actor_options, got 0"),
    ("engine: vllm ", "engine: vlm ", "must be 'transformers' or 'vllm', got 'vlm'"),
    ("gpu_memory_utilization: 0.9 ", "gpu_memory_utilization: 90 ", "must be in (0, 1], got 90"),
    ("model: unitary/toxic-bert", "model: ./toxic.bin", "must be a folder with .safetensors, got"),
    ("          revision: 953dc6f6f85a1b2dbfca4c34a2796e7dde08d41e\n", "", "must be pinned"),
    ("- name: Ingester ", "- name: Ingestor ", "did you mean 'Ingester'?"),
    ("args: {}  ", "args: {canary: true}  ", "missing block 'GeneratorCanary'"),
    (
        "          timeouts:\n",
        "          canary: {share: 0.2}\n          timeouts:\n",
        "share must be 0 without `args: {canary: true}`, got 0.2",
    ),
    ("args: {}  ", "args: {small: true}  ", "missing block 'GeneratorSmall'"),
    (
        "          timeouts:\n",
        "          routing: {router: rule}\n          timeouts:\n",
        "router must be null without `args: {small: true}`, got 'rule'",
    ),
    (
        "          timeouts:\n",
        "          routing: {router: rules}\n          timeouts:\n",
        "router: must be 'rule' or 'trained', got 'rules'",
    ),
    (
        "          timeouts:\n",
        "          routing: {weights: cluster.yaml}\n          timeouts:\n",
        "weights 'cluster.yaml' are none of a router",
    ),
    (
        "          timeouts:\n",
        "          fallback: {url: 'http://api.example/v1', model: m, api_key_env: KEY}\n"
        "          timeouts:\n",
        "url must be https where a key is sent",
    ),
    (
        "          timeouts:\n",
        "          fallback: {url: 'ftp://api.example', model: m}\n          timeouts:\n",
        "fallback.url: String should match pattern",
    ),
    (
        "          timeouts:\n",
        "          fallback: {url: 'https://api.example/v1', model: m, api_key: secret}\n"
        "          timeouts:\n",
        "did you mean 'api_key_env'?",
    ),
    (
        "          timeouts:\n",
        "          fallback: {url: 'https://api.example/v1', model: m}\n          answers: quote\n"
        "          timeouts:\n",
        "fallback needs `answers: free`",
    ),
    ("args: {}  ", "args: {retriever_shards: 99}  ", "must be less than or equal to 64, got 99"),
    ("chunk_overlap_tokens: 80 ", "chunk_overlap_tokens: 400 ", "got 400"),
    (
        "threshold: 0.7  ",
        "threshold: 0.7\n          threshold: 0.8 ",
        "stands twice, again in line",
    ),
    *FOR_SERVE,
]


def told(text):
    with pytest.raises(ConfigError) as refused:
        parse_serve_config(text, "copy.yaml")
    return str(refused.value).splitlines()


def test_there_are_at_least_25():
    assert len(PLANTED) >= 25


@pytest.mark.parametrize(("old", "new", "message"), PLANTED, ids=range(len(PLANTED)))
def test_a_planted_mistake_is_found_with_its_line(old, new, message):
    assert old in CLUSTER
    changed = CLUSTER.replace(old, new, 1)
    (line,) = [one for one in told(changed) if message in one]
    number = int(line.split(":")[1])
    start = CLUSTER[: CLUSTER.index(old)].count("\n") + 1
    if new == "":  # what is missing is told where its mapping begins
        assert start - 12 <= number <= start
    elif number != start:  # of two keys that contradict each other, at the other one
        key = changed.splitlines()[number - 1].split(":")[0].strip()
        assert key in line.split(": ", 1)[1]


@pytest.mark.parametrize(("old", "new", "message"), PLANTED, ids=range(len(PLANTED)))
def test_the_builder_refuses_the_same_though_it_has_no_file(old, new, message):
    config = yaml.safe_load(CLUSTER.replace(old, new, 1))
    if "stands twice" in message:
        pytest.skip("YAML has dropped the first one")
    file = ConfigFile(name="", value=config)
    assert any(message in file.describe(fault) for fault in faults_in(file))


def test_a_cache_below_the_context_is_refused():
    local = (Path(__file__).parents[3] / "local.yaml").read_text()
    changed = local.replace("max_answer_tokens: 320 ", "context_tokens: 900\n          x: 1 ")
    changed = changed.replace("          x: 1", "          max_answer_tokens: 320")
    (line,) = told(changed.replace("cache_tokens: 16384 ", "cache_tokens: 800 "))
    assert "engine_options: cache_tokens must hold one context of 900 tokens, got 800" in line


def test_comparing_languages_by_an_english_embedder_is_refused():
    local = (Path(__file__).parents[3] / "local.yaml").read_text()
    changed = local.replace(
        "num_candidates: 12 ", "foreign_cosine: 0.855\n            num_candidates: 12 "
    )
    (line,) = told(changed)
    needed = "foreign_cosine needs a multilingual embedder, got 0.855 with bundled:embedder"
    assert f"retrieval: {needed}" in line
    parse_serve_config(
        changed.replace("model: bundled:embedder ", "model: bundled:multilingual "), "copy.yaml"
    )


def test_a_folder_of_pickled_weights_is_refused(tmp_path):
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    changed = CLUSTER.replace("model: unitary/toxic-bert", f"model: {tmp_path}")
    (line,) = told(changed)
    assert "this folder has pickled weights alone" in line
    (tmp_path / "model.safetensors").write_bytes(b"")
    parse_serve_config(changed, "copy.yaml")


def test_a_batch_may_be_larger_than_the_calls_since_one_call_carries_many_texts():
    parse_serve_config(CLUSTER.replace("batch_size: 64 ", "batch_size: 128 "), "copy.yaml")


def test_a_replica_that_never_stands_on_spot_may_end_slowly():
    changed = CLUSTER.replace(
        "graceful_shutdown_timeout_s: 20 #", "graceful_shutdown_timeout_s: 600 #"
    )
    parse_serve_config(changed, "copy.yaml")


@pytest.mark.parametrize(
    ("value", "taken"),
    [("spot", True), ("!spot", False), ("in(spot, x)", True), ("!in(spot)", False), ("x", False)],
)
def test_selectors_are_read_as_ray_reads_them(value, taken):
    assert fits({"ray.io/market-type": value}, {"ray.io/market-type": "spot"}) is taken
    assert fits({"zone": value}, {}) is value.startswith("!")


@pytest.mark.parametrize(
    "allowed",
    [
        above(APPLICATION, "    runtime_env: {env_vars: {A: '5'}, working_dir: 's3://b/a.zip'}"),
        above("          num_gpus: 0.3 ", "          accelerator_type: GeForce-RTX-5090"),
        above("          num_gpus: 0.3 ", "          resources: {disk: 0.5}"),
        above(TOP, "\ntarget_capacity: 100"),
        above(TOP, "\ntracing_config: {exporter_import_path: 'on_the_nodes_only.spans:made'}"),
        above(APPLICATION, "    runtime_env: {env_vars: null, pip: null}"),
        ("label_selector: {ray.io/market-type: spot}", "label_selector: {availability-zone: a}"),
        ("  port: 8000\n", "  port: 8000\n  request_timeout_s: 131\n"),
        ("  port: 8000\n", "  port: 8000\n  ssl_keyfile: a.pem\n  ssl_certfile: b.pem\n"),
    ],
)
def test_what_is_meant_is_no_mistake(allowed):
    parse_serve_config(CLUSTER.replace(*allowed, 1), "copy.yaml")


def test_grpc_is_somebody_elses_where_there_is_another_application():
    other = "\n  - {name: other, route_prefix: /other, import_path: 'x:y'}\n"
    text = CLUSTER.replace(*above(TOP, "\ngrpc_options: {port: 9000}"), 1)
    parse_serve_config(text.rstrip() + other, "copy.yaml")


def test_a_second_version_that_no_question_would_wake_is_refused():
    config = yaml.safe_load(CLUSTER.replace("args: {}  ", "args: {canary: true}  ", 1))
    blocks = config["applications"][0]["deployments"]
    first = next(one for one in blocks if one["name"] == "Generator")
    second = first | {"name": "GeneratorCanary"}
    blocks.append(second)
    parse_serve_config(yaml.safe_dump(config), "copy.yaml")
    second["autoscaling_config"] = first["autoscaling_config"] | {"min_replicas": 0}
    (line,) = told(yaml.safe_dump(config))
    assert "GeneratorCanary.autoscaling_config: min_replicas must be at least 1, got 0" in line


@pytest.mark.parametrize("path", ["os:nothing", "no_such_module:x", "os:environ.x"])
def test_a_router_that_cannot_be_imported_is_a_fault(path):
    value = yaml.safe_load(CLUSTER)
    router = {"request_router_class": path}
    value["applications"][0]["deployments"][0]["request_router_config"] = router
    (fault,) = faults_in(ConfigFile(name="copy.yaml", value=value))
    assert fault.key == "request_router_class"
    assert f"no router can be imported from {router}" in fault.message
