"""Reads a Dockerfile into its stages, with the parser that Docker itself has."""

from dataclasses import dataclass
from pathlib import Path
from string import Template

import pytest

from cluster.launch import render

dockerfile = pytest.importorskip("dockerfile", reason="`make test-image` installs the parser")
DOCKERFILE = Path(render.__file__).parent / "Dockerfile"
ROOT = DOCKERFILE.parents[2]


@dataclass(frozen=True)
class Step:
    """An instruction: its word, flags and values; `is_list` where these are JSON, not a shell's."""

    word: str
    flags: tuple
    values: tuple
    is_list: bool
    line: int

    @property
    def named_flags(self):
        """The values of `--name=value` by their names."""
        return dict(flag[2:].partition("=")[::2] for flag in self.flags)

    def pairs(self):
        """The names and values of ENV."""
        return dict(zip(self.values[::2], self.values[1::2], strict=True))


@dataclass(frozen=True)
class Stage:
    """What stands between two FROMs; `origin` is another stage's name, or an image's."""

    name: str
    origin: str
    steps: tuple


def read_stages(path):
    """The stages of a Dockerfile by their names, in its order.

    Raises:
        KeyError, ValueError: a FROM has a variable that no ARG before it sets, or has no name.
    """
    arguments, stages = {}, {}
    for command in dockerfile.parse_file(str(path)):
        step = Step(
            command.cmd.upper(), command.flags, command.value, command.json, command.start_line
        )
        if step.word == "FROM":
            origin, _as, name = step.values
            stages[name] = Stage(name, Template(origin).substitute(arguments), ())
        elif stages:
            name, stage = stages.popitem()
            stages[name] = Stage(name, stage.origin, (*stage.steps, step))
        else:
            name, value = step.values[0].split("=")
            arguments[name] = value
    return stages
