"""What the providers of Terraform take, read from the bindings that are made of their schemas.

They are packages of 50 MB each, which `make test-launch` downloads and nobody unpacks or runs.
"""

import ast
import re
import zipfile
from functools import cache

# Of every resource, whatever its provider.
META = {"count", "depends_on", "dynamic", "for_each", "lifecycle", "provider"}


class Schema:
    """One provider's resources: a tree of arguments for each."""

    def __init__(self, wheel, provider):
        self._archive = zipfile.ZipFile(wheel)
        self._package = f"cdktf_cdktf_provider_{provider}"
        self._provider = provider

    @cache  # noqa: B019  # one a provider, as long as the tests
    def classes(self, type_, data=False):
        """The classes of one resource: name -> (arguments: types, those required, names)."""
        prefix = f"data_{self._provider}_" if data else ""
        name = prefix + type_.removeprefix(f"{self._provider}_")
        source = self._archive.read(f"{self._package}/{name}/__init__.py").decode()
        tree = ast.parse(source)
        return {one.name: _arguments(one) for one in tree.body if isinstance(one, ast.ClassDef)}

    def faults(self, name, body, data=False):
        """Arguments of a resource that are not known, or are required and missing."""
        type_ = name.split(".")[0]
        classes = self.classes(type_, data)
        top = next(iter(classes))
        return list(_faults(name, body, classes, top))

    def attributes(self, type_, data=False):
        """What can be read of a resource."""
        classes = self.classes(type_, data)
        return classes[next(iter(classes))][2]


def _arguments(one):
    methods = {m.name: m for m in one.body if isinstance(m, ast.FunctionDef)}
    init = methods.get("__init__")
    if init is None:
        return {}, set(), set()
    names, defaults = init.args.kwonlyargs, init.args.kw_defaults
    kinds = {arg.arg: ast.unparse(arg.annotation) for arg in names}
    required = {arg.arg for arg, value in zip(names, defaults, strict=True) if value is None}
    return kinds, required, set(methods)


def _faults(where, body, classes, name):
    kinds, required, _ = classes[name]
    given = dict(body)
    for block in given.pop("dynamic", ()):
        for key, one in block.items():
            given[key] = one["content"]
    yield from (f"{where}: no argument {key}" for key in given if key not in {*kinds, *META})
    yield from (f"{where}: {key} is missing" for key in sorted(required - given.keys()))
    for key, value in given.items():
        nested = re.search(rf"['\"]({re.escape(name)}\w+)['\"]", kinds.get(key, ""))
        if nested is None or nested[1] not in classes:
            continue
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict):
                yield from _faults(f"{where}.{key}", one, classes, nested[1])
