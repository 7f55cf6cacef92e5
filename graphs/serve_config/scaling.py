"""What is wrong with an `autoscaling_config`, its policy included."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from ray._common.utils import import_attr
from ray.serve.config import AutoscalingConfig

from deployments.scaling import ENCODER_SIGNALS, GENERATOR_SIGNALS, LoadPolicy
from deployments.user_config import ConfigFault, faults_of
from models.encoders.encoder import EncoderConfig
from models.generator import GeneratorConfig

POLICY = "deployments.scaling:LoadPolicy"
_WHERE = ("autoscaling_config", "policy")
_SERVES_OWN = AutoscalingConfig.default()  # what `num_replicas: auto` stands for


@dataclass(frozen=True, kw_only=True)
class _Policy:
    """The keys of Serve's AutoscalingPolicy, which imports what is named when it is made."""

    policy_function: str
    policy_kwargs: Mapping[str, Any] = field(default_factory=dict)


def scaling_faults(kind: type[Any] | None, block: Mapping[str, Any]) -> Iterator[ConfigFault]:
    """Finds unknown keys, wrong values and targets of signals that the deployment does not tell.

    Args:
        kind: the class of the block's settings; None where it is not known.
        block: of one deployment.
    """
    if block.get("num_replicas") == "auto":
        message = "num_replicas must be a whole number or be left out, got 'auto': what "
        message += "autoscaling_config leaves out would be Serve's "
        message += f"({_SERVES_OWN.min_replicas} to {_SERVES_OWN.max_replicas} replicas, "
        message += f"{_SERVES_OWN.target_ongoing_requests:g} requests each); name them there and "
        message += "leave num_replicas out"
        yield ConfigFault(where=(), key="num_replicas", message=message)
    scaling = block.get("autoscaling_config")
    if not isinstance(scaling, Mapping):  # Serve's schema of a block takes any mapping there
        return
    bare = {key: value for key, value in scaling.items() if key != "policy"}
    with unwarned():
        faults = faults_of(AutoscalingConfig, bare)
    yield from (fault.under(("autoscaling_config",)) for fault in faults)
    if not faults and "max_replicas" not in scaling and block.get("num_replicas") != "auto":
        message = "missing key 'max_replicas': Serve takes 1, and nothing is ever scaled"
        yield ConfigFault(where=("autoscaling_config",), message=message)
    if "policy" in scaling:
        yield from _policy_faults(kind, scaling["policy"])


@contextmanager
def unwarned() -> Iterator[None]:
    """Lets Serve's checks be silent where they warn of what times.py refuses."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


def _policy_faults(kind: type[Any] | None, policy: object) -> Iterator[ConfigFault]:
    faults = faults_of(_Policy, policy)
    yield from (fault.under(_WHERE) for fault in faults)
    if faults or not isinstance(policy, Mapping):
        return
    written = policy["policy_function"]
    if written.replace(":", ".") != POLICY.replace(":", "."):
        yield from _foreign_faults(written)
        return
    kwargs = policy.get("policy_kwargs", {})
    where = (*_WHERE, "policy_kwargs")
    yield from (fault.under(where) for fault in faults_of(LoadPolicy, kwargs))
    told = _signals(kind)
    for name in (*GENERATOR_SIGNALS, *ENCODER_SIGNALS):
        if told is not None and kwargs.get(name) is not None and name not in told:
            known = f"it tells {', '.join(told)}" if told else "it tells nothing of its load"
            message = f"this deployment does not tell {name!r}: {known}"
            yield ConfigFault(where=where, key=name, message=message)


def application_policy_faults(application: Mapping[str, Any]) -> Iterator[ConfigFault]:
    """Finds a policy of a whole application, which Serve asks in the place of those of its blocks.

    Args:
        application: of ours.
    """
    if application.get("autoscaling_policy") is not None:
        message = "autoscaling_policy would take the place of those of all blocks: set policy in "
        message += "the autoscaling_config of a block"
        yield ConfigFault(where=(), key="autoscaling_policy", message=message)


def _foreign_faults(written: str) -> Iterator[ConfigFault]:
    """Serve imports a policy wherever the config is read; what it does is not known here."""
    try:
        import_attr(written)
    except (ImportError, AttributeError, ValueError) as err:
        near = get_close_matches(written, [POLICY])
        hint = f"; did you mean {POLICY!r}?" if near else ""
        message = f"no policy can be imported from {written!r}: {err}{hint}"
        yield ConfigFault(where=_WHERE, key="policy_function", message=message)


def without_policies(value: object) -> object:
    """The same config without its policies, which Serve's schema would import."""
    if isinstance(value, Mapping):
        return {
            key: {name: one for name, one in below.items() if name != "policy"}
            if key == "autoscaling_config" and isinstance(below, Mapping)
            else without_policies(below)
            for key, below in value.items()
        }
    return list(map(without_policies, value)) if isinstance(value, list) else value


def _signals(kind: type[Any] | None) -> tuple[str, ...] | None:
    """What the replicas of a deployment tell; None where that is not known."""
    if kind is None:
        return None
    if issubclass(kind, GeneratorConfig):
        return GENERATOR_SIGNALS
    if issubclass(kind, EncoderConfig):
        return ENCODER_SIGNALS
    return () if kind.__module__.startswith(("graphs.", "deployments.")) else None
