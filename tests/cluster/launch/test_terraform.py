"""The Terraform files fit together, keep what they promise, and agree with the chart."""

import ipaddress
import itertools
import json
import re

import pytest
import yaml

from cluster.launch.render import read_values, render
from tests.cluster.launch.terraform_files import (
    FOLDER,
    PROVIDERS,
    VALUES,
    faults,
    read,
)

CLOUDS = list(PROVIDERS)


@pytest.fixture(scope="module", params=CLOUDS)
def cloud(request):
    return request.param


@pytest.fixture(scope="module")
def module(cloud):
    return read(cloud)


def test_every_name_is_declared_and_used(cloud, module):
    assert faults(cloud, module) == []


PLANTED = [
    ("aws", ('variable "operators"', 'variable "operator"'), "var.operators is not declared"),
    ("aws", ("local.v.aws_spot\n", "local.v.aws_head\n"), "aws_spot of values.yaml is not used"),
    ("aws", ("local.v.aws_head", "local.v.aws_had"), "values.yaml has no aws_had"),
    ("aws", ("aws_nat_gateway.way_out[", "aws_nat_gateway.out["),
     "aws_nat_gateway.out is not declared"),
    ("gcp", ('"google_sql_database" "catalog"', '"google_sql_database" "c"'),
     "google_sql_database.catalog is not declared"),
    ("gcp", ("var.database_password\n", '"secret"\n'), "var.database_password is not used"),
    ("azure", ("[local.gpu, local.spot_taint]", "[local.gpu]"), "local.spot_taint is not used"),
    ("azure", ("  spot_taint =", "  spot_taints ="), "local.spot_taint is not declared"),
]  # fmt: skip


@pytest.mark.parametrize(("cloud", "change", "told"), PLANTED)
def test_a_planted_mistake_is_found(cloud, change, told):
    assert told in faults(cloud, read(cloud, change))


def pools(cloud, module):
    """Of each pool of workers: is it spot, its labels, taints, counts and machine."""
    if cloud == "aws":
        (group,) = module.of("aws_eks_node_group").values()
        assert group["capacity_type"] == "${each.value.capacity}"
        assert group["labels"] == {"ragfleet/market": "${each.value.market}"}
        return {
            name: (one["capacity"] == "SPOT", one["market"], one["taints"], one["machine"])
            for name, one in module.locals["groups"].items()
        }
    if cloud == "gcp":
        (pool,) = module.of("google_container_node_pool").values()
        node = pool["node_config"][0]
        assert node["spot"] == "${each.value.spot}"
        assert node["labels"] == {"ragfleet/market": "${each.value.market}"}
        return {
            name: (one["spot"], one["market"], [], one["machine"])
            for name, one in module.locals["pools"].items()
        }
    found = {}
    for name, one in module.of("azurerm_kubernetes_cluster_node_pool").items():
        market = re.search(r"ragfleet/market\W+([\w-]+)", str(one["node_labels"]))[1]
        spot = (one.get("priority"), one.get("eviction_policy")) == ("Spot", "Delete")
        found[name.replace("_", "-")] = (spot, market, one["node_taints"], one["vm_size"])
    return found


def test_pools_are_what_they_are_called(cloud, module):
    found = pools(cloud, module)
    for name in ("on-demand", "spot"):
        spot, market, _, machine = found[name]
        assert (spot, market) == (name == "spot", name)
        assert machine == f"${{local.v.{cloud}_{name.replace('-', '_')}}}"


def selected(kind):
    service = yaml.safe_load(render(read_values(VALUES))["kuberay/rayservice.yaml"])
    groups = service["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    (pod,) = [one["template"]["spec"] for one in groups if one["groupName"] == kind]
    return pod["nodeSelector"], {one["key"] for one in pod["tolerations"]}


@pytest.mark.parametrize("kind", ["on-demand", "spot"])
def test_the_workers_of_the_chart_find_their_machines(cloud, module, kind):
    _, market, taints, _ = pools(cloud, module)[kind]
    selector, tolerated = selected(kind)
    assert selector == {"ragfleet/market": market}
    text = json.dumps([taints, module.locals.get("gpu"), module.locals.get("spot_taint")])
    keys = set(re.findall(r"[\w.]+/[\w.]+(?==|\")", text))
    assert keys <= tolerated | {"kubernetes.azure.com/scalesetpriority"}
    if cloud != "gcp":  # which taints machines with GPUs itself, and refuses it twice
        assert "${local.gpu}" in taints
        assert "present" in str(module.locals["gpu"])  # the value that Nvidia's charts tolerate
    if (cloud, kind) == ("azure", "spot"):
        assert "${local.spot_taint}" in taints
        assert "kubernetes.azure.com/scalesetpriority" in tolerated


def test_what_the_autoscaler_sets_is_not_set_back(cloud, module):
    kinds = {"aws": "aws_eks_node_group", "gcp": "google_container_node_pool",
             "azure": "azurerm_kubernetes_cluster_node_pool"}  # fmt: skip
    for pool in module.of(kinds[cloud]).values():
        assert re.search(r"node_count|desired_size", str(pool["lifecycle"][0]["ignore_changes"]))


def test_nothing_is_public(cloud, module):
    everything = json.dumps(module.resources)
    if cloud == "aws":
        assert module.resources["aws_db_instance.catalog"]["publicly_accessible"] is False
        assert "map_public_ip_on_launch" not in everything
        for group in module.of("aws_security_group").values():
            assert all("cidr_blocks" not in rule for rule in group["ingress"])
        others = {k: one for k, one in module.resources.items() if "aws_route_table." not in k}
        assert "0.0.0.0/0" not in json.dumps(others)
        vpc = module.resources["aws_eks_cluster.ragfleet"]["vpc_config"][0]
        assert vpc["endpoint_public_access"] == "${length(var.operators) > 0}"
        return
    assert "0.0.0.0/0" not in everything
    if cloud == "gcp":
        database = module.resources["google_sql_database_instance.catalog"]["settings"][0]
        assert database["ip_configuration"][0]["ipv4_enabled"] is False
        private = module.resources["google_container_cluster.ragfleet"]["private_cluster_config"][0]
        assert private["enable_private_nodes"] is True
        assert private["enable_private_endpoint"] == "${length(var.operators) == 0}"
    else:
        database = module.resources["azurerm_postgresql_flexible_server.catalog"]
        assert database["public_network_access_enabled"] is False
        cluster = module.resources["azurerm_kubernetes_cluster.ragfleet"]
        assert cluster["private_cluster_enabled"] == "${length(var.operators) == 0}"
        assert "node_public_ip_enabled" not in everything


def test_the_network_policy_of_the_chart_is_enforced(cloud, module):
    if cloud == "aws":
        addon = module.resources["aws_eks_addon.network"]
        assert 'enableNetworkPolicy = "true"' in addon["configuration_values"]
    elif cloud == "gcp":
        cluster = module.resources["google_container_cluster.ragfleet"]
        assert cluster["datapath_provider"] == "ADVANCED_DATAPATH"
    else:
        network = module.resources["azurerm_kubernetes_cluster.ragfleet"]["network_profile"][0]
        assert network["network_policy"] == "cilium"


def test_a_pod_on_a_spot_machine_hears_that_it_will_be_taken_away():
    """What is not there by default: an answer of the metadata service that gets into a pod."""
    module = read("aws")
    template = module.resources["aws_launch_template.ragfleet"]
    options = template["metadata_options"][0]
    assert options["http_tokens"] == "required"
    hops = options["http_put_response_hop_limit"]
    assert hops == '${each.value.market == "spot" ? 2 : 1}'
    group = module.resources["aws_eks_node_group.ragfleet"]
    assert group["launch_template"][0]["id"] == "${aws_launch_template.ragfleet[each.key].id}"
    # Beside a template EKS refuses it.
    assert "disk_size" not in group
    assert template["block_device_mappings"][0]["ebs"][0]["volume_size"] == 200


def test_whoever_makes_the_cluster_may_use_it():
    """EKS knows entries of its API alone, and of Terraform's provider nobody gets one by itself."""
    access = read("aws").resources["aws_eks_cluster.ragfleet"]["access_config"][0]
    assert access == {
        "authentication_mode": "API",
        "bootstrap_cluster_creator_admin_permissions": True,
    }


def test_machines_reach_an_api_that_operators_alone_may_reach():
    """AKS adds the address of a load balancer by itself, that of a NAT gateway of ours not."""
    cluster = read("azure").resources["azurerm_kubernetes_cluster.ragfleet"]
    (profile,) = cluster["dynamic"]
    content = json.dumps(profile["api_server_access_profile"])
    assert "azurerm_public_ip.way_out.ip_address}/32" in content


def test_the_catalog_is_kept(cloud, module):
    if cloud == "aws":
        one = module.resources["aws_db_instance.catalog"]
        assert one["multi_az"] is one["storage_encrypted"] is one["deletion_protection"] is True
        assert one["backup_retention_period"] >= 7
    elif cloud == "gcp":
        one = module.resources["google_sql_database_instance.catalog"]
        backup = one["settings"][0]["backup_configuration"][0]
        assert backup["enabled"] is backup["point_in_time_recovery_enabled"] is True
        assert one["deletion_protection"] is True
        assert "${google_service_networking_connection.services}" in one["depends_on"]
    else:
        one = module.resources["azurerm_postgresql_flexible_server.catalog"]
        assert one["lifecycle"][0]["prevent_destroy"] is True
        assert one["high_availability"][0]["mode"] == "ZoneRedundant"
        assert one["backup_retention_days"] >= 7


def test_no_password_gets_into_the_state(cloud, module):
    bodies = json.dumps(module.resources)
    assert not re.search(r'"(administrator_)?password": ', bodies)  # `_wo`: written and forgotten
    secret = module.variables.get("database_password")
    assert (secret is None) == (cloud == "aws")  # where AWS makes it
    if secret:
        assert secret["sensitive"] is secret["ephemeral"] is True


def test_networks_do_not_overlap(cloud):
    text = "".join(path.read_text() for path in (FOLDER / cloud).glob("*.tf"))
    found = {ipaddress.ip_network(one) for one in re.findall(r'"(10\.[\d.]+/\d+)"', text)}
    inside = {"azure": {ipaddress.ip_network("10.20.0.0/16")}}.get(cloud, set())  # of its subnets
    for one, other in itertools.combinations(found - inside, 2):
        assert not one.overlaps(other)
    for network in inside:
        assert {one for one in found if one != network and one.overlaps(network)} == {
            ipaddress.ip_network("10.20.0.0/20"), ipaddress.ip_network("10.20.16.0/24"),
        }  # fmt: skip


@pytest.mark.parametrize("name", sorted(yaml.safe_load(VALUES.read_text())))
def test_every_value_is_of_some_use(name):
    """A value that nothing reads is one that somebody sets in vain."""
    launch = FOLDER.parent
    files = [*launch.glob("terraform/*/*.tf"), *launch.glob("chart/templates/*"),
             *launch.glob("ray_up/*"), launch / "skypilot.yaml", launch / "render.py"]  # fmt: skip
    use = re.compile(rf'(local\.v\.|\.Values\.){name}\b|values\["{name}"\]|"{name}"')
    assert any(use.search(path.read_text()) for path in files)
