"""What can go wrong in the graph itself; errors of models and index pass through it unchanged.

GraphError
|- UnknownModelError           LookupError     the request names a model that is not served
|- StageUnavailableError       RuntimeError    a deployment that the answer needs does not answer
|  `- SafetyUnavailableError                   the safety filter does not answer: fails closed
`- OverloadedError             RuntimeError    a queue is full: try again later
"""


class GraphError(Exception):
    """Root of the tree."""

    code = "server_error"


class UnknownModelError(GraphError, LookupError):
    """The request names a model that is not served here."""

    code = "model_not_found"


class StageUnavailableError(GraphError, RuntimeError):
    """A deployment that the answer needs does not answer."""

    code = "unavailable"


class SafetyUnavailableError(StageUnavailableError):
    """The safety filter does not answer, so nothing may be sent."""

    code = "safety_unavailable"


class OverloadedError(GraphError, RuntimeError):
    """A queue is full."""

    code = "overloaded"
