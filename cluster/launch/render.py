"""Fills values.yaml and a Serve config into the launch files: `python -m cluster.launch.render`.

    --out DIR       kuberay/*.yaml, ray_up/*.yaml and skypilot.yaml, ready for kubectl, ray and sky
    --values FILE   yours instead of cluster/launch/values.yaml

A template is YAML with `$name` where a value goes, and `$$` for a dollar.
"""

import argparse
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

import yaml
from rich.console import Console

from deployments.user_config import unknown_key
from graphs.errors import ConfigError
from graphs.serve_config.reader import parse_serve_config, read_text

_HERE = Path(__file__).parent
_ROOT = Path(__file__).parents[2]
TEMPLATES = (
    "kuberay/around.yaml",
    "kuberay/rayservice.yaml",
    "ray_up/aws.yaml",
    "ray_up/azure.yaml",
    "ray_up/gcp.yaml",
    "skypilot.yaml",
)
# Healthy as KubeRay asks, and Serve's own proxy answers on this node.
_PROBE = (
    "import urllib.request as u; "
    "u.urlopen('http://127.0.0.1:52365/api/local_raylet_healthz', timeout=4); "
    "u.urlopen('http://127.0.0.1:8000/-/healthz', timeout=4)"
)


def render(values: Mapping[str, Any]) -> dict[str, str]:
    """Gives every launch file: its name -> its text.

    Args:
        values: those of values.yaml.

    Raises:
        ConfigError: the Serve config has faults, in its file or with these values, or a template
            names a value that is not given.
    """
    served = _ROOT / str(values["serve_config"])
    text = read_text(served)
    parse_serve_config(text, str(served))
    config = yaml.safe_load(text)
    config.setdefault("http_options", {})["host"] = values["host"]
    if values["keys"]:
        _ask_for_keys(config, values["keys"])
    dumped = yaml.safe_dump(config, sort_keys=False, width=100)
    parse_serve_config(dumped, f"{served} with these values")
    known = {
        **values,
        "serve_config_text": textwrap.indent(dumped, "    ").rstrip(),
        "probe": _PROBE,
        "common": (_HERE / "ray_up" / "common.yaml").read_text().replace("$$", "$").rstrip(),
    }
    try:
        return {name: Template(read_text(_HERE / name)).substitute(known) for name in TEMPLATES}
    except (KeyError, ValueError) as err:
        raise ConfigError(f"a template wants a value that is not given: {err}") from err


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
