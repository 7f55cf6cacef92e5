"""Takes the steps of a Dockerfile's stages, each in a folder that stands for the image."""

import shlex
import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from string import Template

import pytest

from tests.cluster.launch.image.bare_debian import PATH, lent_settings, make_bare_debian
from tests.cluster.launch.image.container import Container
from tests.cluster.launch.image.dockerfile_stages import read_stages

ignoring = pytest.importorskip("docker.utils.build", reason="`make test-image` installs the rules")

# vLLM's CUDA has gigabytes, so of the GPU's image all but vLLM is installed.
WITHOUT_CUDA = {"pip install -c constraints.txt -e '.[gpu]'": "pip install -c constraints.txt -e ."}

FLAGS = {"COPY": {"from"}, "HEALTHCHECK": {"interval", "timeout", "start-period"}}


@dataclass(frozen=True)
class Image:
    """A stage so far: its folder, and the settings that containers and later stages take over."""

    root: Path
    env: dict = field(default_factory=lambda: {"PATH": PATH})
    workdir: str = "/"
    user: str = "0:0"
    command: tuple = ()
    healthcheck: tuple = ()
    volumes: tuple = ()


class Builder:
    """Builds the stages of one Dockerfile below `folder`, each once, when it is asked for.

    `instead` maps the text of a RUN to what is run in its place.
    """

    def __init__(self, dockerfile, context, folder, *, instead=None):
        self.stages = read_stages(dockerfile)
        self.folder = folder
        self.instead = instead or {}
        self.images = {}
        self.lent, self.lent_mounts = lent_settings(folder / "torch.txt")
        self.context = folder / "context"
        send_context(context, ignored(dockerfile), self.context)

    def image(self, name):
        """The image of a stage.

        Raises:
            CalledProcessError: a step failed; a note tells its output, another its line.
            ValueError: a step that is not known here, or known in fewer forms than it has.
        """
        if name not in self.images:
            self.images[name] = self._built(self.stages[name])
        return self.images[name]

    def _built(self, stage):
        root = self.folder / stage.name
        if stage.origin in self.stages:
            image = self.image(stage.origin)
            copy(image.root, root)
            image = replace(image, root=root)
        else:
            make_bare_debian(stage.origin, root)
            image = Image(root)
        for step in stage.steps:
            try:
                image = self._after(step, image)
            except Exception as err:
                err.add_note(f"line {step.line} of the Dockerfile: {step.word} {step.values}")
                raise
        return image

    def _after(self, step, image):
        if unknown := set(step.named_flags) - FLAGS.get(step.word, set()):
            raise ValueError(f"flags of {step.word} that are not known to the test: {unknown}")
        match step.word:
            case "RUN":
                self._run(step, image)
            case "COPY":
                self._copy(step, image)
            case "WORKDIR":
                folder = str(PurePosixPath(image.workdir) / step.values[0])
                (image.root / folder.lstrip("/")).mkdir(parents=True, exist_ok=True)
                return replace(image, workdir=folder)
            case "EXPOSE":
                pass  # a note for people
            case _:
                return replace(image, **settings(step, image))
        return image

    def _run(self, step, image):
        (text,) = step.values
        text = self.instead.get(text, text)
        # As with build arguments: what is lent may not take the place of what the image sets.
        Container(
            image.root, self.lent | image.env, image.workdir, image.user, self.lent_mounts,
            has_network=True,
        ).run(["/bin/sh", "-c", text])  # fmt: skip

    def _copy(self, step, image):
        *sources, target = step.values
        stage = step.named_flags.get("from")
        origin = self.image(stage).root if stage else self.context
        place = image.root / str(PurePosixPath(image.workdir) / target).lstrip("/")
        if target.endswith("/"):
            place.mkdir(parents=True, exist_ok=True)
        for source in sources:
            copy(origin / source.lstrip("/"), place)


def settings(step, image):
    """What a step changes in the settings of an image."""
    match step.word:
        case "ENV":
            # All values of one ENV see the variables before it.
            values = {name: expand(value, image.env) for name, value in step.pairs().items()}
            return {"env": image.env | values}
        case "USER" if ":" in step.values[0]:
            return {"user": step.values[0]}
        case "VOLUME":
            return {"volumes": image.volumes + step.values}
        case "CMD" if step.is_list:
            return {"command": step.values}
        case "HEALTHCHECK" if step.is_list:
            return {"healthcheck": step.values[1:]}
    raise ValueError(f"this form of {step.word} is not known to the test: {step.values}")


def expand(value, env):
    """A value without its quotes and with its variables, which have to be there."""
    (word,) = shlex.split(value)
    return Template(word).substitute(env)


def copy(source, place):
    """As COPY: what is in a folder, or a file itself; owned by root, with its rights."""
    if source.is_dir():
        place.mkdir(parents=True, exist_ok=True)
        source = f"{source}/."
    command = ["cp", "-a", "--reflink=auto", source, place]
    subprocess.run(command, check=True, capture_output=True, text=True)


def ignored(dockerfile):
    """The patterns beside a Dockerfile of what is not sent to the build."""
    lines = Path(f"{dockerfile}.dockerignore").read_text().splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def send_context(folder, patterns, place):
    """Copies what the patterns leave of a folder; all of it belongs to root then."""
    place.mkdir()
    with ignoring.tar(str(folder), exclude=list(patterns)) as archive:
        subprocess.run(
            ["tar", "-x", "--no-same-owner", "-p", "-C", place], stdin=archive, check=True
        )
