"""Every message that docs/troubleshooting.md explains is one that the code has."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/troubleshooting.md"
FOLDERS = ("cluster", "deployments", "graphs", "index", "models")


def text_of(node):
    """A text as the code writes it; values stand as braces."""
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(one) for one in node.values)
    return str(node.value) if isinstance(node, ast.Constant) else "{}"


@pytest.fixture(scope="module")
def texts():
    found = set()
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.JoinedStr | ast.Constant):
                    found.add(text_of(node))
    return found


def messages():
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    return [re.match(r"\| `([^`]+)`", row)[1] for row in rows]


@pytest.mark.parametrize("message", messages())
def test_a_message_that_is_explained_is_one_of_the_code(texts, message):
    parts = [part.strip() for part in message.split("...")]
    assert any(all(part in text for part in parts) for text in texts)


def test_the_page_has_rows():
    assert len(messages()) > 30
