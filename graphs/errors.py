"""What can go wrong in the graph itself; errors of models and index pass through it unchanged.

GraphError
|- UnknownModelError           LookupError     the request names a model that is not served
|- StageUnavailableError       RuntimeError    a deployment that the answer needs does not answer
|  |- ReplicaLostError                         a replica was stopped or fell silent over a request
|  |  `- ReplicaDiedError                       its process died
|  |- SafetyUnavailableError                   the safety filter does not answer: fails closed
|  `- IssuerUnavailableError                   the identity provider never told its keys
|- PoisonRequestError          RuntimeError    the request was lost on two replicas in the same way
|- DeadlineError               TimeoutError    the time that the client gave has passed
|- OverloadedError             RuntimeError    a queue is full or too slow: try again later
`- ConfigError                 ValueError      a Serve config has faults; no request sees this one
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


class ReplicaLostError(StageUnavailableError):
    """The replica at work on a request died, stopped or fell silent; another may do the work."""

    code = "replica_lost"


class ReplicaDiedError(ReplicaLostError):
    """The process at work on a request died."""


class PoisonRequestError(GraphError, RuntimeError):
    """Two replicas were lost over a request at the same point, so it gets no third."""

    code = "poison_request"


class DeadlineError(GraphError, TimeoutError):
    """The client's `x-request-deadline-ms` has passed."""

    code = "deadline_exceeded"


class SafetyUnavailableError(StageUnavailableError):
    """The safety filter does not answer, so nothing may be sent."""

    code = "safety_unavailable"


class IssuerUnavailableError(StageUnavailableError):
    """No token can be checked, since the identity provider has not told its keys yet."""

    code = "issuer_unavailable"


class OverloadedError(GraphError, RuntimeError):
    """A queue is full, or a question waited in it for too long."""

    code = "overloaded"


class ConfigError(GraphError, ValueError):
    """A Serve config cannot be used; the message has a line for each fault, with file and line."""

    code = "invalid_config"
