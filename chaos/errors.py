"""What can go wrong with a run itself, as against with the system under it.

ChaosError               RuntimeError
|- TargetError           the target does not exist, is not what was named, or is not local
`- FaultNotProvenError   the fault was injected, but nothing shows that it happened
"""


class ChaosError(RuntimeError):
    """The run proves nothing; the message says why."""


class TargetError(ChaosError):
    """What is to be hit does not exist, or must not be hit."""


class FaultNotProvenError(ChaosError):
    """The fault cannot be seen where it must be seen."""
