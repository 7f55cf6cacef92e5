"""A config is compared with what runs, and nothing else happens; faults have their lines."""

import sys

import pytest
import yaml
from pydantic import ValidationError

from graphs.api.page.plan import PlanBody
from tests.graphs.api.page.conftest import LOCAL

TEXT = LOCAL.read_text()


async def planned(api_http, text):
    reply = await api_http.post("/admin/v1/system/plan", json={"config": text})
    assert reply.status_code == 200, reply.text
    return reply.json()


def changed(change):
    config = yaml.safe_load(TEXT)
    application = config["applications"][0]
    change(application, {block["name"]: block for block in application["deployments"]})
    return yaml.safe_dump(config)


async def test_what_runs_already_changes_nothing(api_http, system):
    assert await planned(api_http, TEXT) == {"object": "plan", "faults": [], "changes": []}


async def test_each_change_is_told_with_what_a_deploy_does_for_it(api_http, system):
    def change(application, blocks):
        blocks["Gateway"]["user_config"].setdefault("retrieval", {})["top_k"] = 3
        blocks["Reranker"]["ray_actor_options"] = {"num_cpus": 2}
        application["args"] = {"database_url": "sqlite:////tmp/secret.db"}

    told = await planned(api_http, changed(change))
    assert told["faults"] == []
    found = {(one["where"], one["key"]): one["effect"] for one in told["changes"]}
    assert found == {
        ("ragfleet", "args"): "restarts all",
        ("Gateway", "user_config.retrieval"): "in place",
        ("Reranker", "ray_actor_options"): "rolls",
    }
    assert "secret" not in str(told)


async def test_a_misspelt_key_is_told_with_its_line(api_http, system):
    text = TEXT.replace("user_config:", "user_confg:", 1)
    line = text[: text.index("user_confg")].count("\n") + 1
    told = await planned(api_http, text)
    assert told["changes"] == []
    assert any(one.startswith(f"config:{line}: ") and "user_confg" in one for one in told["faults"])


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: [", "no YAML"),
        ("[]", "application 'ragfleet' runs and is not here"),
        ("applications: 3", "application 'ragfleet' runs and is not here"),
        ("applications: [3]", "must be that of what runs, got None"),
        (TEXT.replace("graphs.app:build", "chaos.simulated.app:build"), "must be that of what"),
        (TEXT.replace("name: ragfleet", "name: other"), "'ragfleet' runs and is not here"),
    ],
    ids=["yaml", "list", "number", "numbers", "builder", "name"],
)
async def test_what_is_no_config_of_this_application_is_a_fault(api_http, system, text, fault):
    told = await planned(api_http, text)
    assert any(fault in one for one in told["faults"]), told
    assert told["changes"] == []


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Gives the name of a module that ends the process where it is imported."""
    (tmp_path / "foreign_code.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    return "foreign_code"


@pytest.mark.parametrize(
    ("key", "block"),
    [
        (
            "policy_function",
            {"autoscaling_config": {"policy": {"policy_function": "foreign_code:x"}}},
        ),
        (
            "request_router_class",
            {"request_router_config": {"request_router_class": "foreign_code:x"}},
        ),
        ("actor_class", {"deployment_actors": [{"actor_class": "foreign_code:x"}]}),
    ],
)
async def test_nothing_that_a_caller_names_is_imported(api_http, system, module, key, block):
    told = await planned(api_http, changed(lambda _, blocks: blocks["Reranker"].update(block)))
    (fault,) = told["faults"]
    assert f"{key}: must be one of what runs" in fault
    assert "got 'foreign_code:x'" in fault
    assert module not in sys.modules


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("grpc_options", {"grpc_servicer_functions": ["os:getcwd", "foreign_code:x"]}),
        ("tracing_config", {"exporter_import_path": "foreign_code:x"}),
    ],
)
async def test_nor_by_serve_itself(api_http, system, module, key, value):
    told = await planned(api_http, yaml.safe_dump(yaml.safe_load(TEXT) | {key: value}))
    assert told["faults"]
    assert all("must be one of what runs" in one for one in told["faults"])
    assert module not in sys.modules


async def test_our_own_exporter_of_traces_may_be_named(api_http, system):
    """Serve does not tell of it in what runs."""
    tracing = {"enabled": True, "exporter_import_path": "deployments.observing.spans:exporters"}
    text = yaml.safe_dump(yaml.safe_load(TEXT) | {"tracing_config": tracing})
    assert (await planned(api_http, text))["faults"] == []


async def test_our_own_policy_may_be_named_in_both_forms(api_http, system):
    for path in ("deployments.scaling:LoadPolicy", "deployments.scaling.LoadPolicy"):
        policy = {"policy_function": path, "policy_kwargs": {"queued_s": 0.5}}
        scaling = {"max_replicas": 2, "policy": policy}
        text = changed(
            lambda _, blocks, scaling=scaling: blocks["Reranker"].update(
                autoscaling_config=scaling, num_replicas=None
            )
        )
        assert (await planned(api_http, text))["faults"] == []


async def test_an_empty_config_is_refused_and_a_long_one(api_http, system):
    reply = await api_http.post("/admin/v1/system/plan", json={"config": ""})
    assert reply.status_code == 400
    with pytest.raises(ValidationError, match="at most 100000 characters"):
        PlanBody(config="#" * 100_001)


@pytest.mark.parametrize(
    "text",
    [
        TEXT + "".join(f"k{number}: 1\n" for number in range(5000)),
        TEXT + f"? {'k' * 30_000}\n: " + "[" + "{1: 2}," * 2500 + "]",
        TEXT + f"{'k' * 45_000}: 1",
        TEXT + "".join(f"{'k' * 100}: 1\n" for _ in range(300)),
    ],
    ids=["faults", "labels", "key", "repeated"],
)
async def test_a_reply_is_small_however_many_faults_there_are(api_http, system, text):
    told = await planned(api_http, text)
    assert 1 <= len(told["faults"]) <= 101
    assert all(len(one) <= 2100 for one in told["faults"])
