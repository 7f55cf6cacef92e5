"""References to items of earlier responses, in the place of the items themselves.

Some clients (Vercel's AI SDK) send back an item that the server keeps as its id alone. The id of
an item of an output holds that of its response, so the item is found there.
"""

import json
import re
from collections.abc import Sequence

from graphs.api.errors import BadRequestError
from graphs.api.responses.response_schema import InputItem
from graphs.corpus.protocols import Corpus
from index.errors import UnknownResponseError

_OWN_ID = re.compile(r"[a-z]{2,3}_([0-9a-f]{32})(?:_\d{1,4})?")


def output_item_id(kind: str, response_id: str, number: int) -> str:
    """Names an item of an output; `number` counts those of its kind from 0."""
    name = f"{kind}_{response_id.removeprefix('resp_')}"
    return f"{name}_{number}" if number else name


async def with_items(
    given: str | Sequence[InputItem], corpus: Corpus, tenant: str
) -> str | Sequence[InputItem]:
    """Puts the items for the references of an input.

    Raises:
        BadRequestError: no kept response has put out an item of this id.
    """
    if isinstance(given, str):
        return given
    return [
        await _item(one, f"input[{at}]", corpus, tenant) if one.is_reference else one
        for at, one in enumerate(given)
    ]


async def _item(reference: InputItem, param: str, corpus: Corpus, tenant: str) -> InputItem:
    if found := _OWN_ID.fullmatch(reference.id or ""):
        try:
            record = await corpus.get_response(tenant, f"resp_{found[1]}")
        except UnknownResponseError:
            pass
        else:
            for item in json.loads(record.body)["output"]:
                if item["id"] == reference.id:
                    return InputItem.model_validate(item)
    msg = f"no kept response has put out an item with the id {reference.id!r}"
    raise BadRequestError(msg, param=f"{param}.id", code="item_not_found")
