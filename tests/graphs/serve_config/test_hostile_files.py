"""Whatever text is read as a config, it is refused soon and in words, each with file and line."""

from pathlib import Path

import pytest

from graphs.errors import ConfigError
from graphs.serve_config.reader import parse_serve_config
from graphs.serve_config.yaml_loader import MAX_DEPTH, MAX_NODES

LOCAL = (Path(__file__).parents[3] / "local.yaml").read_text()
LEVELS = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9))
MERGES = "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 9))
CHAIN = "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, MAX_DEPTH + 9))
LARGE = f"with its aliases written out, this has more than {MAX_NODES} keys and values"
DEEP = f"nested deeper than {MAX_DEPTH} levels"


def refusal_of(text):
    with pytest.raises(ConfigError) as refused:
        parse_serve_config(text, "copy.yaml")
    return str(refused.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\nb: \0", "2: no YAML: character U+0000 is not allowed"),
        ("a: 1\napplications: &a\n  - *a", "3: no YAML: an alias stands inside of what it names"),
        ("a: &a\n  b: {c: *a}", "2: no YAML: an alias stands inside of what it names"),
        ("a0: &a0 [x]\n" + LEVELS, f"6: no YAML: {LARGE}"),
        ("a0: &a0 {k: v}\n" + MERGES, f"5: no YAML: {LARGE}"),
        ("a0: &a0 [x]\n" + CHAIN, f"{MAX_DEPTH}: no YAML: with its aliases written out, this "),
        ("[" * 5000, f"1: no YAML: {DEEP}"),
        ("a: 1\nb: 2026-02-30", "2: no YAML: no timestamp: '2026-02-30'"),
        ("a: 1\nb: !!int ''", "2: no YAML: no int: ''"),
        (r'a: "\ud800"', r"1: no YAML: no str: '\ud800'"),
        ("a: 1\nb:\n\tc: 2", "3: no YAML: a tab stands where YAML wants spaces"),
        ("a:\n  b: 1\n\tc: 2", "3: no YAML: a tab stands where YAML wants spaces"),
        ("a: *b", "1: no YAML: found undefined alias 'b'"),
    ],
    ids=[
        "NUL", "recursive list", "recursive mapping", "nested aliases", "nested merges",
        "chain of aliases", "deep", "no date", "no number", "half a character", "tab",
        "tab after spaces", "no anchor",
    ],
)  # fmt: skip
def test_what_would_end_the_reader_is_one_fault(text, told):
    assert refusal_of(text).startswith(f"copy.yaml:{told}")
    assert len(refusal_of(text).splitlines()) == 1


def test_aliases_within_bounds_are_read():
    embedder = "runtime_env: &shared {env_vars: {A: b}}\n    args: {}"
    other = "\n  - {name: o, route_prefix: /o, import_path: 'x:y', runtime_env: *shared}\n"
    config = parse_serve_config(LOCAL.replace("args: {}", embedder) + other, "copy.yaml")
    assert config.runtime_env == {"env_vars": {"A": "b"}}


def test_a_long_value_is_cut_in_its_message():
    told = refusal_of(LOCAL.replace("port: 8000", f"port: {['x' * 9] * 1000}"))
    assert "http_options.port: must be a valid integer, got ['xxxxxxxxx'" in told
    assert len(told) < 500


def test_a_name_cannot_write_to_the_terminal():
    told = refusal_of(LOCAL.replace("name: ragfleet", r'name: "\e[2J\n"') + "    x: 1\n")
    assert r"\x1b[2J\n: unknown key 'x'" in told


@pytest.mark.parametrize(
    "path", ["/etc/passwd:x", "cluster.:x", ".:x", "../x:y", "a" * 300 + ":x", r"a\0b:c"]
)
def test_a_builder_that_cannot_be_is_none_of_ours(path):
    told = refusal_of(LOCAL.replace("graphs.app:build", f'"{path}"'))
    assert "applications: must hold one application of graphs.app:build, got 0" in told


def test_a_builder_that_its_module_lacks_is_none_of_ours():
    told = refusal_of(LOCAL.replace("graphs.app:build", "chaos.simulated.app:biuld"))
    assert "applications: must hold one application of graphs.app:build, got 0" in told
