"""Counts what routes and the pipeline used, under the names that clients know the models by.

Which documents were read is noted here, too.
"""

from fastapi import Request

from graphs.accounts.accounts import Accounts, Work
from graphs.api.border.traffic import IN_BATCH
from graphs.pipeline.trace import Trace

ONCE = "once"  # of a scope's state: names work that is done again where it was lost


def bill(request: Request, model: str, num_tokens: int) -> None:
    """Counts the tokens that a model without answers has read for a request."""
    accounts: Accounts = request.app.state.accounts
    work = Work(model=model, num_prompt_tokens=num_tokens, once=_line(request))
    accounts.bill(request.state.caller, work)


def once_of(request: Request, name: str) -> str:
    """Names the answer to a request: by the line of a batch that it is, else by this name."""
    return _line(request) or name


def in_batch(request: Request) -> bool:
    """Whether a request is a line of a batch."""
    return bool(getattr(request.state, IN_BATCH, False))


def account(accounts: Accounts, model: str, trace: Trace) -> None:
    """Counts what a chat or search used, however it ended, and notes what it has read.

    An answer that moved to another replica is in the trace once, with all its tokens. What an
    adapter wrote counts under its own name; one that is unknown wrote nothing.

    Args:
        accounts: where it is counted.
        model: the generator, as clients name it.
        trace: of the request.
    """
    has_written = any(one.stage == "generate" and one.num_prompt_tokens for one in trace.generated)
    work = Work(
        model=f"{model}:{trace.adapter}" if trace.adapter and has_written else model,
        num_prompt_tokens=sum(one.num_prompt_tokens for one in trace.generated),
        num_completion_tokens=sum(one.num_completion_tokens for one in trace.generated),
        once=trace.once,
    )
    accounts.bill(trace.caller, work)
    accounts.retrieved(
        trace.caller, trace.request_id, trace.documents, trace.outcome, is_batch=trace.in_batch
    )


def note_reading(request: Request, file_id: str, action: str) -> None:
    """Notes that a document was read itself, not for an answer."""
    accounts: Accounts = request.app.state.accounts
    caller, request_id = request.state.caller, request.state.request_id
    accounts.retrieved(caller, request_id, (file_id,), "allowed", action=action)


def _line(request: Request) -> str:
    name: str = getattr(request.state, ONCE, "")
    return name
