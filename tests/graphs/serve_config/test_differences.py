"""What a deploy does to a running application is told by the key that changes."""

import copy
from pathlib import Path

import pytest
import yaml

from graphs.serve_config.differences import as_config, differences

ROOT = Path(__file__).parents[3]
CLUSTER = yaml.safe_load((ROOT / "cluster.yaml").read_text())


def changed(*path, value):
    config = copy.deepcopy(CLUSTER)
    inner = config["applications"][0]
    if path[0] == "application":
        path = path[1:]
    elif path[0] not in ("args", "runtime_env", "import_path"):
        (inner,) = [one for one in inner["deployments"] if one["name"] == path[0]]
        path = path[1:]
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return differences(CLUSTER, config, name="ragfleet")


def test_the_same_config_changes_nothing():
    assert differences(CLUSTER, CLUSTER, name="ragfleet") == []


# The table of what restarts what, tried on Ray 2.60 with process ids.
@pytest.mark.parametrize(
    ("path", "value", "effect"),
    [
        (("Gateway", "user_config", "retrieval", "top_k"), 4, "in place"),
        (("Embedder", "max_ongoing_requests"), 65, "in place"),
        (("Embedder", "health_check_period_s"), 3, "in place"),
        (("Embedder", "autoscaling_config", "max_replicas"), 9, "in place"),
        (("Embedder", "autoscaling_config", "policy"), {"policy_function": "a:b"}, "restarts all"),
        (("Embedder", "autoscaling_config"), None, "restarts all"),
        (("Embedder", "request_router_config"), {"a": 1}, "restarts all"),
        (("Embedder", "ray_actor_options", "num_cpus"), 2, "rolls"),
        (("Embedder", "max_replicas_per_node"), 2, "rolls"),
        (("Embedder", "user_config", "model"), "org/other", "reloads"),
        (("Generator", "user_config", "model"), "org/other", "reloads"),
        (("Reranker", "user_config", "num_threads"), 2, "reloads"),
        (("args", "retriever_shards"), 2, "restarts all"),
        (("runtime_env",), {"env_vars": {"A": "1"}}, "restarts all"),
    ],
)
def test_a_change_is_told_by_its_effect(path, value, effect):
    (found,) = changed(*path, value=value)
    assert found.effect == effect


def test_a_model_on_a_gpu_is_not_loaded_beside_the_old_one():
    (generator,) = changed("Generator", "user_config", "model", value="org/other")
    assert "no room for two" in generator.told
    (embedder,) = changed("Embedder", "user_config", "model", value="org/other")
    assert "beside the old one" in embedder.told


def test_nor_is_a_second_version_of_the_generator():
    config = copy.deepcopy(CLUSTER)
    blocks = config["applications"][0]["deployments"]
    first = next(one for one in blocks if one["name"] == "Generator")
    blocks.append(copy.deepcopy(first) | {"name": "GeneratorCanary"})
    other = copy.deepcopy(config)
    other["applications"][0]["deployments"][-1]["user_config"]["model"] = "org/other"
    (found,) = differences(config, other, name="ragfleet")
    assert "no room for two" in found.told


def test_a_single_replica_that_rolls_is_told_to_be_missed():
    (found,) = changed("Ingester", "ray_actor_options", "num_cpus", value=2)
    assert "stops before the new one starts" in found.told


def test_blocks_that_come_and_go():
    config = copy.deepcopy(CLUSTER)
    config["applications"][0]["deployments"][2]["name"] = "Retriever0"
    found = {one.where: one.effect for one in differences(CLUSTER, config, name="ragfleet")}
    assert found == {"Retriever": "ends", "Retriever0": "starts"}


def test_an_application_that_does_not_run_starts():
    (found,) = differences({"applications": []}, CLUSTER, name="ragfleet")
    assert found.effect == "starts"


def test_a_port_counts_when_serve_starts_anew():
    config = CLUSTER | {"http_options": {"host": "127.0.0.1", "port": 9000}}
    (found,) = differences(CLUSTER, config, name="ragfleet")
    assert (found.key, found.effect) == ("http_options.port", "not until Serve")


@pytest.mark.parametrize(
    ("options", "keys"),
    [
        ({"port": 9000}, ["http_options.port"]),
        ({"port": 8000, "request_timeout_s": 5}, ["http_options.request_timeout_s"]),
        ({"host": "127.0.0.1", "port": 8000, "keep_alive_timeout_s": 7}, []),
    ],
)
def test_what_listens_is_compared_with_what_serve_tells(options, keys):
    application = CLUSTER["applications"][0]
    details = {
        "http_options": {"host": "127.0.0.1", "port": 8000, "keep_alive_timeout_s": 7},
        "applications": {"ragfleet": {"deployed_app_config": application}},
    }
    wanted = CLUSTER | {"http_options": {"host": "127.0.0.1", **options}, "logging_config": {}}
    found = differences(as_config(details), wanted, name="ragfleet")
    assert [one.key for one in found] == keys


@pytest.mark.parametrize(
    ("key", "value"),
    [("route_prefix", "/rag"), ("logging_config", {"encoding": "JSON", "log_level": "DEBUG"})],
)
def test_changes_of_the_application_that_restart_nothing(key, value):
    (found,) = changed("application", key, value=value)
    assert (found.where, found.key, found.effect) == ("ragfleet", key, "in place")


def test_logging_of_the_file_counts_for_an_application_without():
    application = CLUSTER["applications"][0]
    running = CLUSTER | {"applications": [application | {"logging_config": {"encoding": "JSON"}}]}
    assert differences(running, CLUSTER, name="ragfleet") == []
    quiet = CLUSTER | {"logging_config": {"encoding": "JSON", "enable_access_log": False}}
    (found,) = differences(running, quiet, name="ragfleet")
    assert found.key == "logging_config"


def test_another_application_that_the_file_lacks_is_ended():
    other = {"name": "other", "import_path": "a:b", "route_prefix": "/other"}
    running = CLUSTER | {"applications": [*CLUSTER["applications"], other]}
    (found,) = differences(running, CLUSTER, name="ragfleet")
    assert (found.where, found.effect) == ("other", "ends")
    (found,) = differences(CLUSTER, running, name="ragfleet")
    assert (found.where, found.effect) == ("other", "starts")


def test_the_dashboard_tells_the_config_that_was_deployed():
    application = CLUSTER["applications"][0]
    logged = application | {"logging_config": CLUSTER["logging_config"]}  # as Serve keeps it
    details = {"proxy_location": "EveryNode", "applications": {
        "ragfleet": {"deployed_app_config": logged}, "other": {"deployed_app_config": None},
    }}  # fmt: skip
    assert differences(as_config(details), CLUSTER, name="ragfleet") == []
