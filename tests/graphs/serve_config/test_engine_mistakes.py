"""What Ray and Serve would take and the engine would refuse, later or not at all."""

import json
from pathlib import Path

import pytest
import yaml

from graphs.errors import ConfigError
from graphs.serve_config.checks import faults_in
from graphs.serve_config.config_file import ConfigFile
from graphs.serve_config.model_sizes import known_here
from graphs.serve_config.reader import parse_serve_config
from models.checkpoints.sizes import Sizes

ROOT = Path(__file__).parents[3]
CLUSTER = (ROOT / "cluster.yaml").read_text()
LOCAL = (ROOT / "local.yaml").read_text()
SLOTS = "            max_concurrent_requests: 64\n"
GPUS = "          num_gpus: 2  "
QWEN = Sizes(
    layers=64, heads=40, kv_heads=8, head_dim=128, hidden=5120, intermediate=27648,
    vocabulary=152064, context=32768,
)  # fmt: skip
BGE = Sizes(
    layers=12, heads=12, kv_heads=12, head_dim=64, hidden=768, intermediate=3072,
    vocabulary=30522, context=512,
)  # fmt: skip


def sizes_of(model, _):
    return {"Qwen/Qwen2.5-32B-Instruct-GPTQ-Int4": QWEN, "BAAI/bge-base-en-v1.5": BGE}.get(model)


def told(text, sizes_of=sizes_of):
    with pytest.raises(ConfigError) as refused:
        parse_serve_config(text, "copy.yaml", sizes_of)
    return str(refused.value).splitlines()


def option(text):
    return SLOTS, f"{SLOTS}            options: {{{text}}}\n"


# What is written, what is planted instead, what is told, and the key at whose line.
PLANTED = [
    (*option("quantizaton: awq"), "'quantizaton'; did you mean 'quantization'?", "options"),
    (*option("max_num_batched_token: 9"), "did you mean 'max_num_batched_tokens'?", "options"),
    (*option("zzzz: 9"), "'zzzz'; AsyncEngineArgs of vLLM has no such field", "options"),
    (*option("pipeline_parallel_size: 2"), "not hold 'pipeline_parallel_size'", "options"),
    (*option("data_parallel_size: 2"), "told by the number of replicas", "options"),
    (*option("tensor_parallel_size: 2"), "told by num_gpus of the replica", "options"),
    (*option("speculative_config: {}"), "name a method or a model, got {}", "engine_options"),
    (SLOTS, f"{SLOTS}            dtype: fp8\n", "dtype: must be 'auto', 'bfloat16', 'f", "dtype"),
    (GPUS, GPUS.replace("2", "3"), "divide the 40 attention heads of the model and suit", None),
    (GPUS, GPUS.replace("2", "5"), "suit its 8 heads of keys (1, 2, 4, 8), got 5", None),
    ("context_tokens: 16384 ", "context_tokens: 40000 ", "at most 32768, the model's own", None),
    ("max_chunk_tokens: 400 ", "max_chunk_tokens: 511 ", "must be at most 510, got 511: the", None),
    ("batch_size: 64 ", "max_tokens: 600 ", "max_tokens must be at most 512, the model's", None),
    (GPUS, f"          memory: 64\n{GPUS}", "memory is in bytes and must be at least", "memory"),
    ("slot_s: 10 ", "slot_s: .inf ", "timeouts.slot_s: must be a finite number, got inf", None),
    (
        "        max_queued_requests: 128\n",
        "        max_queued_requests: 128\n        placement_group_bundles: [{GPU: 1}]\n",
        "Reranker: a replica is one process on one node",
        "placement_group_bundles",
    ),
    (
        "    route_prefix: /\n",
        "    route_prefix: /\n    host: 127.0.0.1\n",
        "ragfleet: host stands in http_options",
        "host",
    ),
    (
        "max_ongoing_requests: 512 ",
        "max_concurrent_queries: 512 ",
        "unknown key 'max_concurrent_queries'; did you mean 'max_ongoing_requests'?",
        None,
    ),
    ("model: unitary/toxic-bert", "model: unitary/toxic-GGUF", "GGUF is not served", None),
    ("model: unitary/toxic-bert", "model: ./toxic.gguf", "GGUF is not served", None),
]
NAMES = [new.split("\n")[-2 if new.endswith("\n") else -1].strip() for _, new, _, _ in PLANTED]


@pytest.mark.parametrize(("old", "new", "message", "key"), PLANTED, ids=NAMES)
def test_it_is_found_with_its_line(old, new, message, key):
    assert old in CLUSTER
    changed = CLUSTER.replace(old, new, 1)
    (line,) = [one for one in told(changed) if message in one]
    written = changed.splitlines()[int(line.split(":")[1]) - 1]
    assert written.strip().startswith(key or new.strip().split(":")[0])


@pytest.mark.parametrize(("old", "new", "message", "key"), PLANTED, ids=NAMES)
def test_the_builder_refuses_the_same_though_it_has_no_file(old, new, message, key):
    del key
    file = ConfigFile(name="", value=yaml.safe_load(CLUSTER.replace(old, new, 1)))
    assert any(message in file.describe(fault) for fault in faults_in(file, sizes_of))


def test_a_generator_that_drafts_quotes_nothing_and_has_no_adapters():
    drafts = option("speculative_config: {method: ngram, num_speculative_tokens: 3}")
    drafting = CLUSTER.replace(*drafts, 1)
    parse_serve_config(drafting, "copy.yaml", sizes_of)
    adapted = "          max_adapters: 2\n          engine_options:\n"
    changed = drafting.replace("          engine_options:\n", adapted, 1)
    (line,) = told(changed)
    assert (
        "Generator.user_config: speculative_config in options leaves out the logits processor"
        in line
    )
    assert "keeps adapters apart" in line
    gateway = yaml.safe_load(drafting)
    gateway["applications"][0]["deployments"][0]["user_config"]["answers"] = "quote"
    (line,) = told(yaml.safe_dump(gateway))
    assert "`answers: quote` holds answers by; set `answers: free`" in line


def test_the_cluster_suits_the_sizes_of_its_models():
    parse_serve_config(CLUSTER, "cluster.yaml", sizes_of)


def test_files_that_lie_here_tell_the_sizes(tmp_path):
    sizes = {"num_attention_heads": 6, "hidden_size": 48, "num_hidden_layers": 1}
    sizes |= {"intermediate_size": 16, "vocab_size": 4, "max_position_embeddings": 2048}
    (tmp_path / "config.json").write_text(json.dumps(sizes))
    changed = CLUSTER.replace("model: Qwen/Qwen2.5-32B-Instruct-GPTQ-Int4 ", f"model: {tmp_path} ")
    with pytest.raises(ConfigError, match="context_tokens must be at most 2048"):
        parse_serve_config(changed, "copy.yaml")
    parse_serve_config(changed.replace("context_tokens: 16384 ", "context_tokens: 2048 "), "x")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("max_answer_tokens: 320 ", "context_tokens: 9000 ", "at most 1024, the model's own"),
        ("max_chunk_tokens: 48 ", "max_chunk_tokens: 255 ", "must be at most 254, got 255"),
        ("batch_size: 16 ", "max_tokens: 40 ", "must be at most 38, got 48"),
    ],
)
def test_bundled_models_have_sizes_as_others(old, new, message):
    assert old in LOCAL
    assert any(message in one for one in told(LOCAL.replace(old, new, 1), known_here))


def test_a_folder_of_gguf_is_refused_as_what_it_is(tmp_path):
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    (line,) = told(CLUSTER.replace("model: unitary/toxic-bert", f"model: {tmp_path}"))
    assert "GGUF is not served" in line
    assert "pickled" not in line


@pytest.mark.parametrize("model", [r"/a\0b", "./" + "a" * 5000, "bundled:" + "a/" * 3000, "/dev"])
def test_what_is_no_path_is_a_fault_and_no_traceback(model):
    text = CLUSTER.replace("model: unitary/toxic-bert", f'model: "{model}"')
    file = ConfigFile(name="", value=yaml.safe_load(text))
    faults_in(file)


@pytest.mark.parametrize("options", ["enforce_eager: true", "kv_cache_dtype: fp8", "seed: 3"])
def test_what_vllm_knows_is_taken_though_it_is_not_installed(options):
    old, new = option(options)
    parse_serve_config(CLUSTER.replace(old, new, 1), "copy.yaml")
