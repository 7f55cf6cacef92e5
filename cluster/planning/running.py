"""The Serve config of an application that runs, or one from a file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ray.dashboard.modules.serve.sdk import ServeSubmissionClient

from graphs.errors import ConfigError
from graphs.serve_config.config_file import parse_config_file
from graphs.serve_config.differences import as_config
from graphs.serve_config.reader import read_text


def running_config(source: str) -> Mapping[str, Any]:
    """Gives a config in the form of the YAML.

    Args:
        source: the URL of a Ray dashboard, or a file.

    Raises:
        ConfigError: nothing answers there, or there is no such file.
    """
    if not source.startswith(("http://", "https://")):
        value: Any = parse_config_file(read_text(Path(source)), source).value
        if not isinstance(value, Mapping):
            raise ConfigError(f"{source}: must be a mapping, got {value!r}")
        return value
    try:
        details = ServeSubmissionClient(source).get_serve_details()
    except (OSError, RuntimeError) as err:  # errors of requests are OSErrors
        raise ConfigError(f"{source}: no Ray dashboard answers there: {err}") from err
    return as_config(details)
