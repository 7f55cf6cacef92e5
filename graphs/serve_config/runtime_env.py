"""What is wrong with a `runtime_env`, of the application or of one deployment's replicas."""

from collections.abc import Iterator, Mapping

from ray.runtime_env import RuntimeEnv

from deployments.user_config import ConfigFault, shown, unknown_key

_KNOWN = sorted(one for one in RuntimeEnv.known_fields if not one.startswith("_"))
_INSTALLERS = ("pip", "uv", "conda")


def runtime_env_faults(value: object) -> Iterator[ConfigFault]:
    """Finds what Ray leaves out, what fails when a process starts, and what is installed then.

    Ray makes the environment anew at every node, before the first process there, and without the
    versions that were tested together (constraints.txt).

    Args:
        value: of the key `runtime_env`; Serve's schema has told what is no mapping.
    """
    if not isinstance(value, Mapping):
        return
    for key in value:
        if key in _INSTALLERS and value[key]:
            message = f"{key} would install packages at the start of every node: a spot node takes "
            message += "minutes longer, and needs a network; put them into the image or .venv of "
            message += "the nodes"
            yield ConfigFault(where=(), key=key, message=message)
        elif key not in RuntimeEnv.known_fields:
            yield ConfigFault(where=(), key=str(key), message=unknown_key(key, _KNOWN))
    if value.get("env_vars") is not None:
        yield from _variable_faults(value["env_vars"])


def _variable_faults(variables: object) -> Iterator[ConfigFault]:
    if not isinstance(variables, Mapping):
        message = f"env_vars must be a mapping of names to text, got {shown(variables)}"
        yield ConfigFault(where=(), key="env_vars", message=message)
        return
    for name, one in variables.items():
        if not isinstance(one, str):
            message = f"must be text, got {shown(one)}: put it in quotes"
            yield ConfigFault(where=("env_vars", name), message=message)
