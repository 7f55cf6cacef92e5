"""The page of settings is what the classes say, and explains each of them."""

from pathlib import Path

import pytest

from graphs.serve_config.settings_page import page

PAGE = Path(__file__).parents[3] / "docs/settings.md"


@pytest.fixture(scope="module")
def rows():
    """The cells of each setting, by its name and the section that it stands in."""
    found, section = {}, ""
    for line in page().replace("\\|", "/").splitlines():
        if line.startswith("#"):
            section = line.lstrip("# ")
        elif line.startswith("| `"):
            name, *cells = [cell.strip() for cell in line.strip("|").split("|")]
            found[section, name.strip("`")] = cells
    return found


def test_the_page_is_made_of_the_settings_as_they_are_now():
    """If not: python -m graphs.serve_config.settings_page > docs/settings.md."""
    assert PAGE.read_text() == page()


def test_each_setting_is_explained(rows):
    assert all(len(cells) == 3 for cells in rows.values())
    assert [key for key, cells in rows.items() if not cells[1] or not cells[2]] == []


@pytest.mark.parametrize(
    ("section", "name", "default", "values"),
    [
        ("args", "retriever_shards", "`1`", "whole number, ≥ 1, ≤ 64"),
        ("Gateway: retrieval", "mode", "`hybrid`", "`hybrid`, `dense`, `lexical`"),
        ("Gateway: auth.jwt", "issuer", "must be set", None),
        ("Gateway: limits.key", "requests_per_min", "`null`", None),
        ("Reranker", "kept_states_mb", "`128`", "whole number"),  # its own
        ("Reranker", "batch_size", "`32`", "whole number"),  # of all encoders
        ("Ingester: parse_limits", "wall_s", "`120`", "whole number"),
        (
            "Generator: engine_options of vllm",
            "dtype",
            "`auto`",
            "`auto`, `bfloat16`, `float16`, `float32`",
        ),
    ],
)
def test_settings_of_every_depth_are_there(rows, section, name, default, values):
    found = rows[section, name]
    assert default in (None, found[0])
    assert values in (None, found[1])
