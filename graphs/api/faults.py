"""Which ends of requests are the server's own faults; what clients do wrong wakes nobody.

Alarms on the page (page/alarms.py) and alerts of Prometheus (cluster/observe/alerts.py) count by
this one rule.
"""

from collections.abc import Iterator

from graphs.api.errors import ERROR_TABLE, SERVER
from graphs.errors import GraphError
from graphs.pipeline.trace import ENDS
from index.errors import CorpusError
from models.errors import ModelError


def is_fault(outcome: str) -> bool:
    """Says whether a request ended by a fault of the server; an end that nobody knows is one."""
    return outcome not in HARMLESS


def _statuses(error: type[Exception]) -> Iterator[tuple[str, int]]:
    """Gives the codes of this class and those below, with the status of each."""
    kind = next(ERROR_TABLE[one] for one in error.__mro__ if one in ERROR_TABLE)
    yield str(getattr(error, "code", SERVER)), kind.status
    for below in error.__subclasses__():
        yield from _statuses(below)


def _mistakes() -> frozenset[str]:
    """The codes of what clients do wrong, of all that may end a request in the pipeline."""
    every = [one for tree in (GraphError, ModelError, CorpusError) for one in _statuses(tree)]
    return frozenset(code for code, status in every if status < 500) - {SERVER}


HARMLESS = (*ENDS, *sorted(_mistakes()))  # ends that are nobody's fault here
