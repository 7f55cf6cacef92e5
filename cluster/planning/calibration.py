"""What one replica of each model does, as `python -m cluster.calibrate` measured and kept it."""

import json
from dataclasses import asdict
from pathlib import Path

from cluster.planning.wanted import Calibration
from deployments.user_config import parse_config
from graphs.errors import ConfigError
from models.errors import InvalidInputError

_COMMAND = "python -m cluster.calibrate URL --config FILE"


def read_calibration(path: Path) -> Calibration:
    """Reads what was kept.

    Raises:
        ConfigError: nothing was, or it is not what this version writes.
    """
    try:
        return parse_config(Calibration, json.loads(path.read_text()))
    except FileNotFoundError as err:
        msg = f"{path}: nothing is measured yet; run `{_COMMAND}` first"
        raise ConfigError(msg) from err
    except OSError as err:
        raise ConfigError(f"{path}: {err}") from err
    except (ValueError, InvalidInputError, TypeError) as err:
        msg = f"{path} is not what this version measures; run `{_COMMAND}` again ({err})"
        raise ConfigError(msg) from err


def write_calibration(path: Path, measured: Calibration) -> None:
    """Keeps it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(measured), indent=2) + "\n")
