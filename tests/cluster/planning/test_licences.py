"""Licences out of model cards, and what they allow."""

import pytest

from cluster.planning.licences import card_licence, commercial_use

CARDS = [
    ("license: apache-2.0", "apache-2.0", "yes"),
    ("license: 'MIT'", "mit", "yes"),
    ("license: other\nlicense_name: qwen-research", "qwen-research", "no"),
    ("license: other\nlicense_name: tongyi-qianwen", "tongyi-qianwen", "not known"),
    ("license:\n- cc-by-nc-4.0", "cc-by-nc-4.0", "no"),
    ("license: [apache-2.0, cc-by-nc-4.0]", "apache-2.0 / cc-by-nc-4.0", "no"),
    ("license: [mit, llama3.1]", "mit / llama3.1", "conditions"),
    ("license: [mit, house-rules]", "mit / house-rules", "not known"),
    ("tags: [a]", None, "not known"),
    ("license: {a: [", None, "not known"),
]


@pytest.mark.parametrize(("front", "licence", "allowed"), CARDS, ids=[one for one, *_ in CARDS])
def test_a_card_tells_its_licence(tmp_path, front, licence, allowed):
    (tmp_path / "README.md").write_text(f"---\ntags: [x]\n{front}\n---\n# license: mit\n")
    found = card_licence(tmp_path, "org/x")
    assert found == licence
    assert commercial_use(found) == allowed


@pytest.mark.parametrize("text", ["", "# license: mit", "text\n---\nlicense: mit\n---\n"])
def test_a_card_without_a_front_matter_tells_none(tmp_path, text):
    (tmp_path / "README.md").write_text(text)
    assert card_licence(tmp_path, "org/x") is None


def test_what_is_bundled_has_the_licence_of_the_repository(tmp_path):
    assert card_licence(tmp_path, "bundled:generator") == "apache-2.0"
