"""Fills values.yaml and a Serve config into the launch files: `python -m cluster.launch.render`.

    --out DIR       kuberay/*.yaml, ray_up/*.yaml and skypilot.yaml, ready for kubectl, ray and sky,
                    helm.yaml, the values of the chart, and serve.yaml, the Serve config in them
    --values FILE   yours instead of cluster/launch/values.yaml

kuberay/*.yaml are the templates of the chart as Helm renders them, without Helm. So a template has
no more than `{{ .Values.key }}` and `{{ .Release.Namespace }}`, with `| indent N` or `| toJson`.
"""

import argparse
import json
import re
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import yaml
from ray._private.ray_constants import DEFAULT_OBJECT_STORE_MEMORY_PROPORTION
from rich.console import Console

from deployments.user_config import unknown_key
from graphs.errors import ConfigError
from graphs.serve_config.reader import parse_serve_config, read_text

_HERE = Path(__file__).parent
_ROOT = Path(__file__).parents[2]
_SCHEMA = _HERE / "chart" / "values.schema.json"
# What is written -> what it is made of.
TEMPLATES = {
    "kuberay/around.yaml": "chart/templates/around.yaml",
    "kuberay/rayservice.yaml": "chart/templates/rayservice.yaml",
    "ray_up/aws.yaml": "ray_up/aws.yaml",
    "ray_up/azure.yaml": "ray_up/azure.yaml",
    "ray_up/gcp.yaml": "ray_up/gcp.yaml",
    "skypilot.yaml": "skypilot.yaml",
}
_ACTION = re.compile(r"\{\{(.*?)\}\}")
_FIELD = re.compile(r" \.(?:Values\.(\w+)|Release\.Namespace)(?: \| (?:indent (\d+)|(toJson)))? ")


def render(values: Mapping[str, Any]) -> dict[str, str]:
    """Gives every launch file: its name -> its text.

    Args:
        values: those of values.yaml.

    Raises:
        ConfigError: a value is not what the schema of the chart asks for, the Serve config has
            faults, in its file or with these values, or a template names a value that is not given.
    """
    _check(values)
    chart = {**values, "serve_config_text": _serve_config(values)}
    common = read_text(_HERE / "ray_up" / "common.yaml").rstrip()
    known = {**chart, **_ray_memory(values), "common": common}
    files = {
        name: _filled(read_text(_HERE / source), known, source)
        for name, source in TEMPLATES.items()
    }
    return files | {
        "helm.yaml": yaml.safe_dump(chart, sort_keys=False, width=100),
        "serve.yaml": chart["serve_config_text"] + "\n",
    }


def _check(values: Mapping[str, Any]) -> None:
    schema = json.loads(read_text(_SCHEMA)) | {"required": []}  # of what is made from the values
    found = jsonschema.Draft7Validator(schema).iter_errors(values)
    faults = [f"{'.'.join(map(str, one.absolute_path))}: {one.message}" for one in found]
    if faults:
        raise ConfigError(f"values: {'; '.join(sorted(faults))}")


def _serve_config(values: Mapping[str, Any]) -> str:
    served = _ROOT / str(values["serve_config"])
    text = read_text(served)
    parse_serve_config(text, str(served))
    config = yaml.safe_load(text)
    config.setdefault("http_options", {})["host"] = values["host"]
    if values["keys"]:
        _ask_for_keys(config, values["keys"])
    dumped: str = yaml.safe_dump(config, sort_keys=False, width=100).rstrip()
    parse_serve_config(dumped, f"{served} with these values")
    return dumped


def _ray_memory(values: Mapping[str, Any]) -> dict[str, int]:
    """Bytes that Ray gives away on a node, beside its object store, by what a worker may take."""
    units = {"Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
    share = 1 - DEFAULT_OBJECT_STORE_MEMORY_PROPORTION
    taken = {name: str(values[f"{name}_memory"]) for name in ("on_demand", "spot")}
    return {
        f"{name}_ray_memory": int(int(one[:-2]) * units[one[-2:]] * share)
        for name, one in taken.items()
    }


def _filled(text: str, known: Mapping[str, Any], source: str) -> str:
    def value(action: re.Match[str]) -> str:
        field = _FIELD.fullmatch(action[1])
        if field is None:
            raise ConfigError(f"{source}: {action[0]} is more than a value")
        key = field[1] or "namespace"
        if key not in known:
            raise ConfigError(f"{source}: wants a value that is not given: {key!r}")
        if field[3]:
            return json.dumps(known[key], separators=(",", ":"), sort_keys=True)
        return textwrap.indent(str(known[key]), " " * int(field[2] or 0))

    return _ACTION.sub(value, text)


def _ask_for_keys(config: Mapping[str, Any], wanted: object) -> None:
    blocks = [block for one in config["applications"] for block in one.get("deployments", [])]
    for block in blocks:
        if block["name"] == "Gateway":
            block.setdefault("user_config", {}).setdefault("auth", {})["keys"] = wanted


def read_values(path: Path) -> dict[str, Any]:
    """Reads a file of values; what it leaves out is as in values.yaml.

    Raises:
        ConfigError: it cannot be read, or has a key that no template knows.
    """
    shipped: dict[str, Any] = yaml.safe_load((_HERE / "values.yaml").read_text())
    try:
        own = yaml.safe_load(read_text(path))
    except yaml.YAMLError as err:
        raise ConfigError(f"{path}: no YAML: {err}") from err
    if not isinstance(own, dict):
        raise ConfigError(f"{path}: must be a mapping, got {own!r}")
    for key in own:
        if key not in shipped:
            raise ConfigError(f"{path}: {unknown_key(key, sorted(shipped))}")
    return shipped | own


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the files; gives 1 when something is wrong with what they are made of."""
    parser = argparse.ArgumentParser(
        prog="python -m cluster.launch.render", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--values", type=Path, default=_HERE / "values.yaml", metavar="FILE")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    options = parser.parse_args(arguments)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    try:
        files = render(read_values(options.values))
    except ConfigError as err:
        console.print(str(err), style="red")
        return 1
    for name, text in files.items():
        path = options.out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        console.print(str(path))
    return 0


if __name__ == "__main__":
    sys.exit(main())
