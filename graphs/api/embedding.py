"""One call of the embedder, whichever dialect asks: its limits, and texts that are too long."""

from collections.abc import Sequence
from typing import Literal

from fastapi import Request

from graphs.api.accounting.billing import bill
from graphs.api.border.disconnect import unless_disconnected
from graphs.api.errors import BadRequestError
from graphs.api.services import Services
from models.embedder import Embeddings, TextKind
from models.errors import InvalidInputError

# What becomes of a text that is too long: refused, or cut at its end.
Truncate = Literal["NONE", "END"]


async def embedded(  # noqa: PLR0913 - a call has so many knobs
    request: Request,
    services: Services,
    texts: Sequence[str],
    *,
    kind: TextKind,
    truncate: Truncate,
    dimensions: int | None = None,
    param: str = "input",
    is_list: bool = True,
) -> Embeddings:
    """Embeds the texts of a request.

    Args:
        request: whose client may leave.
        services: what is called.
        texts: at least one.
        kind: whether they are queries or documents.
        truncate: what becomes of a text that is too long.
        dimensions: to which vectors are cut; None leaves them whole.
        param: the field in which they came.
        is_list: whether they came as a list.

    Returns:
        One vector a text, in the same order.

    Raises:
        BadRequestError: too many texts, one that is too long, or dimensions the model has not.
    """
    most = services.config.http.max_inputs
    if not 1 <= len(texts) <= most:
        msg = f"{param} must have 1..{most} texts, got {len(texts)}"
        raise BadRequestError(msg, param=param)
    work = services.embedder.embed(texts, kind=kind, dimensions=dimensions)
    try:
        embeddings = await unless_disconnected(request.receive, work)
    except InvalidInputError as err:
        if dimensions is None:
            raise
        raise BadRequestError(str(err), param="dimensions") from err  # the texts are checked
    if embeddings.num_cut and truncate == "NONE":
        raise _too_long(embeddings, f"{param}[{{place}}]" if is_list else param)
    bill(request, services.config.served_names.embedder, embeddings.num_tokens)
    return embeddings


def _too_long(embeddings: Embeddings, path: str) -> BadRequestError:
    place, num_cut = next(iter(embeddings.num_cut.items()))
    most = int(embeddings.token_counts[place])
    where = path.format(place=place)
    msg = (
        f"{where} has {most + num_cut} tokens, and the embedder reads at most {most} of a text: "
        'send shorter texts, or cut them with `truncate: "END"`'
    )
    return BadRequestError(msg, param=where, code="context_length_exceeded")
