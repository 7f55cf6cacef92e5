"""Reads one cloud's Terraform files, and tells which names in them lead nowhere."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from cluster.launch import render

hcl2 = pytest.importorskip("hcl2", reason="`make install` brings python-hcl2")
FOLDER = Path(render.__file__).parent / "terraform"
VALUES = Path(render.__file__).parent / "values.yaml"
PROVIDERS = {"aws": "aws", "gcp": "google", "azure": "azurerm"}
OPTIONS = hcl2.SerializationOptions(
    with_comments=False, explicit_blocks=False, strip_string_quotes=True
)


@dataclass
class Module:
    """What is declared: the body of each resource by `type.name`, and the others by their names."""

    resources: dict = field(default_factory=dict)
    data: dict = field(default_factory=dict)
    variables: dict = field(default_factory=dict)
    locals: dict = field(default_factory=dict)
    expressions: list = field(default_factory=list)

    def of(self, kind):
        return {name.split(".")[1]: b for name, b in self.resources.items()
                if name.split(".")[0] == kind}  # fmt: skip


def read(cloud, change=None):
    """The module of a cloud; `change` is (old, new), of which the first is planted away."""
    module, changed = Module(), change is None
    for path in sorted((FOLDER / cloud).glob("*.tf")):
        text = path.read_text()
        if change is not None and change[0] in text:
            text, changed = text.replace(*change), True
        _add(module, hcl2.loads(text, serialization_options=OPTIONS))
    assert changed, f"{change[0]!r} stands in no file"
    return module


def _add(module, parsed):
    for kind, target in (("resource", module.resources), ("data", module.data)):
        for block in parsed.get(kind, ()):
            for type_, named in block.items():
                for name, body in named.items():
                    assert f"{type_}.{name}" not in target, f"twice: {type_}.{name}"
                    target[f"{type_}.{name}"] = body
    for block in parsed.get("variable", ()):
        module.variables |= block
    for block in parsed.get("locals", ()):
        assert not module.locals.keys() & block.keys()
        module.locals |= block
    module.expressions += [one for one in _leaves(parsed) if "${" in one]


def _leaves(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _leaves(key)
            yield from _leaves(one)
    elif isinstance(value, list):
        for one in value:
            yield from _leaves(one)


def references(module, pattern):
    return {found for one in module.expressions for found in re.findall(pattern, one)}


def faults(cloud, module):
    """Names that are used and not declared, or declared and not used."""
    provider = PROVIDERS[cloud]
    used = references(module, rf"(?<![\w.])({provider}_\w+\.\w+)")
    found = [f"{one} is not declared" for one in sorted(used - module.resources.keys())]
    data = references(module, rf"(?<![\w.])data\.({provider}_\w+\.\w+)")
    for word, names, declared in (
        ("var", references(module, r"(?<![\w.])var\.(\w+)"), module.variables.keys()),
        ("local", references(module, r"(?<![\w.])local\.(\w+)"), module.locals.keys()),
        ("data", data, module.data.keys()),
    ):
        found += [f"{word}.{one} is not declared" for one in sorted(names - declared)]
        found += [f"{word}.{one} is not used" for one in sorted(declared - names)]
    known = yaml.safe_load(VALUES.read_text())
    wanted = references(module, r"local\.v\.(\w+)")
    found += [f"values.yaml has no {one}" for one in sorted(wanted - known.keys())]
    own = {key for key in known if key.startswith(f"{cloud}_")}
    ray_up = {f"{cloud}_image", "gcp_zone"}  # of `ray up`, whose machines have no image otherwise
    found += [f"{one} of values.yaml is not used" for one in sorted(own - wanted - ray_up)]
    return found
