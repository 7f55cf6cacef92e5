"""All that is wrong with a Serve config, each fault with its place in the file."""

from collections import Counter
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from ray.serve.config import AutoscalingConfig
from ray.serve.schema import ServeDeploySchema

from deployments.user_config import ConfigFault, Place, faults_of, parse_config
from graphs.config import AppArgs
from graphs.serve_config.blocks import (
    BUILDER,
    Blocks,
    blocks_of,
    expected_blocks,
    needs_settings,
    settings_faults,
)
from graphs.serve_config.config_file import ConfigFile


def faults_in(file: ConfigFile) -> list[ConfigFault]:
    """Finds every fault; other applications in the file are checked as far as Serve knows them."""
    value = file.value
    if not isinstance(value, Mapping):
        return [ConfigFault(where=(), message=f"must be a mapping, got {value!r}")]
    faults = [*file.repeated_keys(), *faults_of(ServeDeploySchema, value)]
    own = own_applications(value)
    if len(own) != 1:
        message = f"must hold one application of {BUILDER}, got {len(own)}"
        faults.append(ConfigFault(where=("applications",), message=message))
    for index, blocks in own.items():
        place = ("applications", index)
        found = _application_faults(value["applications"][index], blocks)
        faults += [fault.under(place) for fault in found]
    return faults


def own_applications(value: Mapping[str, Any]) -> dict[int, Blocks]:
    """The applications whose blocks are known, by their place in the list."""
    applications = value.get("applications")
    found: dict[int, Blocks] = {}
    for index, application in enumerate(applications if isinstance(applications, list) else ()):
        if isinstance(application, Mapping):
            blocks = blocks_of(str(application.get("import_path", "")))
            if blocks is not None:
                found[index] = blocks
    return found


def own_application(value: Mapping[str, Any]) -> tuple[int, Blocks]:
    """The one application whose blocks are known, in a config without faults."""
    (found,) = own_applications(value).items()
    return found


def _application_faults(application: Mapping[str, Any], blocks: Blocks) -> Iterator[ConfigFault]:
    given = application.get("args") or {}
    faults = faults_of(AppArgs, given)
    yield from (fault.under(("args",)) for fault in faults)
    # With wrong `args` it is not known which shards there are; all else is checked nevertheless.
    args = AppArgs() if faults else parse_config(AppArgs, given)
    expected = expected_blocks(blocks, args)
    deployments = application.get("deployments") or []
    if not isinstance(deployments, list):
        return  # Serve's own check has told that
    named = [
        ((("deployments", index), str(block.get("name"))), block)
        for index, block in enumerate(deployments)
        if isinstance(block, Mapping)
    ]
    if not faults:
        yield from _wrong_names([label for label, _ in named], expected)
    for (place, name), block in named:
        yield from (fault.under(place) for fault in _block_faults(name, block, expected, args))


def _wrong_names(named: list[tuple[Place, str]], expected: Blocks) -> Iterator[ConfigFault]:
    counts = Counter(name for _, name in named)
    for place, name in named:
        if name not in expected:
            near = get_close_matches(name, sorted(set(expected) - set(counts)), n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(expected)}"
            yield ConfigFault(where=place, message=f"no deployment of the application; {hint}")
        elif counts[name] > 1:
            yield ConfigFault(where=place, message=f"{counts[name]} blocks have this name")
    for name in expected:
        if name not in counts:
            yield ConfigFault(where=("deployments",), message=f"missing block {name!r}")


def _block_faults(
    name: str, block: Mapping[str, Any], expected: Blocks, args: AppArgs
) -> Iterator[ConfigFault]:
    scaling = block.get("autoscaling_config")
    if isinstance(scaling, Mapping):  # Serve's schema of a block takes any mapping there
        faults = faults_of(AutoscalingConfig, scaling)
        yield from (fault.under(("autoscaling_config",)) for fault in faults)
    if name not in expected:
        return
    user_config = block.get("user_config")
    if isinstance(user_config, Mapping):
        faults = settings_faults(expected[name], user_config)
        yield from (fault.under(("user_config",)) for fault in faults)
    elif user_config is None and needs_settings(name, args):
        yield ConfigFault(where=(), message="missing key 'user_config'; {} stands for the defaults")
