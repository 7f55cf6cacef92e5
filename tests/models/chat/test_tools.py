import json

import pytest

from models.chat.tools import Tool
from models.errors import InvalidInputError


def tool(**parameters):
    return Tool(name="find", description="", parameters=json.dumps(parameters))


def test_what_serialisers_write_for_nothing_is_nothing():
    found = tool(type="object", properties={"a": {}}, required=None, title=None).schema()
    assert found == {"type": "object", "properties": {"a": {}}, "additionalProperties": False}


@pytest.mark.parametrize(
    "parameters", [{"required": 5}, {"required": [["a"]]}, {"properties": [1]}, {"required": "a"}]
)
def test_parameters_that_are_no_schema_are_refused_by_name(parameters):
    with pytest.raises(InvalidInputError, match="tool 'find', properties must be an object"):
        tool(**parameters)
