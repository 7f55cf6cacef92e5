"""A Dockerfile is read as Docker reads it, and a step that fails says which it was."""

import os
import re

import pytest

from tests.cluster.launch.image import bare_debian, build
from tests.cluster.launch.image.dockerfile_stages import DOCKERFILE, ROOT, Step, read_stages


def written(folder, text, patterns=""):
    (folder / "Dockerfile").write_text(text)
    (folder / "Dockerfile.dockerignore").write_text(patterns)
    return folder / "Dockerfile"


def test_stages_build_on_each_other_and_on_an_argument(tmp_path):
    stages = read_stages(
        written(tmp_path, "ARG V=1\nFROM a:${V} AS one\nUSER 1:1\nFROM one AS two\n")
    )
    assert {name: stage.origin for name, stage in stages.items()} == {"one": "a:1", "two": "one"}
    assert [step.word for step in stages["one"].steps] == ["USER"]


def test_every_stage_of_ours_stands_on_a_python_that_a_folder_stands_for():
    stages = read_stages(DOCKERFILE)
    origins = {stage.origin for stage in stages.values()} - set(stages)
    assert all(bare_debian.TAG.fullmatch(origin) for origin in origins)
    assert {step.values[0] for step in stages["installed-gpu"].steps} == set(build.WITHOUT_CUDA)


def test_variables_of_one_env_see_those_before_it():
    step = Step("ENV", (), ("A", "1", "B", "${A}:'x y'"), False, 1)
    assert build.settings(step, build.Image(ROOT, {"A": "0"})) == {"env": {"A": "1", "B": "0:x y"}}


@pytest.mark.parametrize(
    "text", ["CMD serve", "USER ragfleet", "ONBUILD RUN x", "ENV A=$B", "COPY --chown=1 . ."]
)
def test_what_is_not_known_is_refused_with_its_line(tmp_path, monkeypatch, text):
    monkeypatch.setattr(build, "make_bare_debian", lambda _image, folder: folder.mkdir())
    dockerfile = written(tmp_path, f"FROM a AS one\n{text}\n")
    (tmp_path / "built").mkdir()
    with pytest.raises((ValueError, KeyError)) as failed:
        build.Builder(dockerfile, tmp_path, tmp_path / "built").image("one")
    assert "line 2 of the Dockerfile" in failed.value.__notes__[-1]


def test_copies_land_where_docker_puts_them(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "make_bare_debian", lambda _image, folder: folder.mkdir())
    context, built = tmp_path / "context", tmp_path / "built"
    for name in ("a/b", "a/.venv/c", "d", ".env"):
        (context / name).parent.mkdir(parents=True, exist_ok=True)
        (context / name).write_text(name)
    built.mkdir()
    text = "FROM x AS one\nWORKDIR /app\nCOPY . .\nCOPY d e/\nCOPY a /f\nFROM x AS two\n"
    dockerfile = written(tmp_path, text + "COPY --from=one /app/e /g\n", "# none\n**/.venv\n.env\n")
    builder = build.Builder(dockerfile, context, built)
    builder.image("two")
    one, two = ({str(path.relative_to(built / name)) for path in (built / name).rglob("*")
                 if path.is_file()} for name in ("one", "two"))  # fmt: skip
    assert one == {"app/a/b", "app/d", "app/e/d", "f/b"}
    assert two == {"g/d"}


def test_what_git_ignores_is_not_sent(tmp_path):
    for line in (ROOT / ".gitignore").read_text().splitlines():
        if not line.startswith("#"):
            path = tmp_path / re.sub(r"\*\*", "x", line.rstrip("/")).replace("*", "x") / "file"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("x")
    (tmp_path / "kept").write_text("x")
    sent = build.ignoring.exclude_paths(str(tmp_path), build.ignored(DOCKERFILE))
    assert {path for path in sent if (tmp_path / path).is_file()} == {"kept"}


def test_settings_name_what_they_name_where_it_is_mounted(tmp_path):
    (tmp_path / "wheels").mkdir()
    address = f"file://{tmp_path}/wheels"
    lent = bare_debian.LENT
    assert bare_debian.lend(address) == (f"file://{lent}{tmp_path}/wheels", tmp_path)
    assert bare_debian.lend(f"{tmp_path}/wheels")[1] == tmp_path / "wheels"
    assert bare_debian.lend("https://index/simple") == ("https://index/simple", None)


def test_only_sources_of_the_suite_are_used(tmp_path):
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text("deb https://mirror/debian bookworm main\n")
    for name, text in (("a.sources", "Suites: bookworm bookworm-updates\n"),
                       ("b.list", "deb https://mirror other-bookworm main\n"),
                       ("c.off", "Suites: bookworm\n")):  # fmt: skip
        (tmp_path / "sources.list.d" / name).write_text(text)
    found = bare_debian.apt_sources("bookworm", tmp_path)
    assert [os.path.basename(one) for one in found] == ["sources.list", "a.sources"]
