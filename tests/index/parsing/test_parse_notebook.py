import json

import pytest

from index.errors import InvalidFileError
from index.parsing.parse import parse

CODE = {
    "cell_type": "code",
    "source": "x = 6\nprint(x)",
    "outputs": [{"text": ["6\n"]}, {"data": {"text/plain": "42", "image/png": "aGk="}}, 7],
}


def test_cells_are_texts_and_listings():
    cells = [{"cell_type": "markdown", "source": ["# Pumps\n", "A *text*."]}, CODE, "no cell"]
    blocks = parse("a.ipynb", json.dumps({"cells": cells}).encode()).blocks
    assert [(block.heading_path, block.kind, block.text) for block in blocks] == [
        (("Pumps",), "prose", "A text."),
        (("Pumps",), "code", "x = 6\nprint(x)"),
        (("Pumps",), "code", "6"),
        (("Pumps",), "code", "42"),
    ]


def test_notebooks_of_version_3_are_read():
    cells = [{"cell_type": "heading", "level": 2, "source": "Pumps"}, {"input": "x = 6"}]
    document = parse("a.ipynb", json.dumps({"worksheets": [{"cells": cells}]}).encode())
    assert (document.blocks[0].heading_path, document.text) == (("Pumps",), "x = 6")


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"{", "is not JSON"), (b"[]", "is no notebook"), (b'{"cells": 3}', "is no notebook")],
)
def test_what_is_no_notebook_is_refused(data, message):
    with pytest.raises(InvalidFileError, match=message):
        parse("a.ipynb", data)
