"""What one replica of each model does, as `python -m cluster.calibrate` measured and kept it."""

import json
from dataclasses import asdict
from pathlib import Path

from cluster.planning.wanted import Calibration
from deployments.user_config import parse_config
from graphs.errors import ConfigError
from models.errors import InvalidInputError


def read_calibration(path: Path) -> Calibration:
    """Reads what was kept.

    Raises:
        ConfigError: nothing was, or it is not what this version writes.
    """
    try:
        return parse_config(Calibration, json.loads(path.read_text()))
    except FileNotFoundError as err:
        command = "python -m cluster.calibrate URL --config FILE"
        msg = f"{path}: nothing is measured yet; run `{command}` first"
        raise ConfigError(msg) from err
    except (OSError, ValueError, InvalidInputError) as err:
        raise ConfigError(f"{path}: {err}") from err


def write_calibration(path: Path, measured: Calibration) -> None:
    """Keeps it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(measured), indent=2) + "\n")
