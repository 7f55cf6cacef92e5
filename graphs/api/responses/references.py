"""References to items of earlier responses, in the place of the items themselves.

Some clients (Vercel's AI SDK) send back an item that the server keeps as its id alone. The id of
an item of an output holds that of its response, so the item is found there.
"""

import json
import re
from collections.abc import Sequence

from graphs.api.errors import BadRequestError
from graphs.api.responses.items import JsonItem
from graphs.api.responses.response_schema import InputItem
from graphs.corpus.protocols import Corpus
from index.catalog.answers.records import MAX_CHAIN
from index.errors import UnknownResponseError

_OWN_ID = re.compile(r"[a-z]{2,3}_([0-9a-f]{32})(?:_\d{1,4})?")


def output_item_id(kind: str, response_id: str, number: int) -> str:
    """Names an item of an output; `number` counts those of its kind from 0."""
    name = f"{kind}_{response_id.removeprefix('resp_')}"
    return f"{name}_{number}" if number else name


async def with_items(
    given: str | Sequence[InputItem], corpus: Corpus, tenant: str
) -> str | Sequence[InputItem]:
    """Puts the items for the references of an input: each once, of as many responses as a chain.

    So a short body cannot stand for any amount of text, nor for any number of reads.

    Raises:
        BadRequestError: no kept response has put out an item of this id, it is referred to twice,
            or too many responses are.
    """
    if isinstance(given, str) or not any(one.is_reference for one in given):
        return given
    outputs: dict[str, list[JsonItem]] = {}
    seen: set[str | None] = set()
    items: list[InputItem] = []
    for at, one in enumerate(given):
        if not one.is_reference:
            items.append(one)
            continue
        param = f"input[{at}].id"
        if one.id in seen:
            msg = f"the item {one.id!r} is referred to twice"
            raise BadRequestError(msg, param=param, code="duplicate_item")
        seen.add(one.id)
        items.append(await _item(one, param, outputs, corpus, tenant))
    return items


async def _item(
    reference: InputItem,
    param: str,
    outputs: dict[str, list[JsonItem]],
    corpus: Corpus,
    tenant: str,
) -> InputItem:
    """Finds an item; `outputs` has those of the responses that were read, by id."""
    if found := _OWN_ID.fullmatch(reference.id or ""):
        response_id = f"resp_{found[1]}"
        if response_id not in outputs:
            if len(outputs) == MAX_CHAIN:
                msg = f"an input may refer to items of at most {MAX_CHAIN} responses"
                raise BadRequestError(msg, param=param)
            outputs[response_id] = await _output(response_id, corpus, tenant)
        for item in outputs[response_id]:
            if item["id"] == reference.id:
                return InputItem.model_validate(item)
    msg = f"no kept response has put out an item with the id {reference.id!r}"
    raise BadRequestError(msg, param=param, code="item_not_found")


async def _output(response_id: str, corpus: Corpus, tenant: str) -> list[JsonItem]:
    """Gives what a response has put out; nothing, where there is none."""
    try:
        record = await corpus.get_response(tenant, response_id)
    except UnknownResponseError:
        return []
    output: list[JsonItem] = json.loads(record.body)["output"]
    return output
