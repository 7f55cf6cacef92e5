"""The generators of one Gateway, and what chooses among them for each answer."""

import logging
from collections.abc import Mapping, Sequence

from ray.serve.handle import DeploymentHandle

from graphs.choosing.begun import Begun
from graphs.choosing.chooser import FALLBACK, Candidate, Candidates, Chooser
from graphs.choosing.elsewhere import Elsewhere
from graphs.choosing.router import Router, router_of
from graphs.config import GatewayConfig, secret
from graphs.failover import ResumingGenerator, Retries
from graphs.generator_client import GeneratorClient, TokenCounters
from graphs.pipeline.stages import AnswerStage
from graphs.replicas import has_running
from graphs.settings import FallbackSettings

logger = logging.getLogger(__name__)


class Generators:
    """Makes the clients and the choosers of one configuration.

    Args:
        handles: role -> handles: `generator` holds the first version and perhaps a second one,
            `small_generator` the one for easy questions, if there is one.
        begun: who began which answer.
        router: decides in the place of the configured one.
    """

    def __init__(
        self,
        config: GatewayConfig,
        handles: Mapping[str, Sequence[DeploymentHandle]],
        begun: Begun,
        retries: Retries,
        router: Router | None = None,
    ) -> None:
        self._config = config
        self._retries = retries
        self._begun = begun
        self._router = router or router_of(config.routing)
        small = handles.get("small_generator", ())
        self._all = (*handles["generator"], *small)
        self._small = small[0] if small else None
        self._small_counters = TokenCounters()
        self._elsewhere = self._fallback(config.fallback)

    @property
    def has_fallback(self) -> bool:
        """Whether questions are answered while no generator runs."""
        return self._elsewhere is not None

    @property
    def others(self) -> Sequence[str]:
        """Names of those that write in the place of a large generator."""
        return (FALLBACK,) if self._small is None else (FALLBACK, self._small.deployment_name)

    def client(self, handle: DeploymentHandle, counters: TokenCounters) -> GeneratorClient:
        """Makes what asks the replicas of one generator."""
        timeouts = self._config.timeouts
        return GeneratorClient(handle, timeouts=timeouts, retries=self._retries, counters=counters)

    def chooser(self, handle: DeploymentHandle, stage: AnswerStage) -> Chooser:
        """Makes what chooses between this generator, as the large one, and the others."""
        large = Candidate(
            name=handle.deployment_name, stage=stage, runs=lambda: has_running(handle)
        )
        small = None if self._small is None else self._small_beside(large, self._small)
        candidates = Candidates(large=large, small=small, elsewhere=self._elsewhere)
        wakes = self._config.timeouts.wake_s is not None
        return Chooser(candidates, router=self._router, wakes=wakes, begun=self._begun)

    def _small_beside(self, large: Candidate, handle: DeploymentHandle) -> Candidate:
        """It tries its own next replica where nobody runs that could write in its place."""

        def hands_over() -> bool:
            return large.runs() or (self._elsewhere is not None and self._elsewhere.runs())

        client = self.client(handle, self._small_counters)
        stage = ResumingGenerator(client, self._config.failover, hands_over=hands_over)
        return Candidate(name=handle.deployment_name, stage=stage, runs=lambda: has_running(handle))

    def _fallback(self, settings: FallbackSettings | None) -> Candidate | None:
        if settings is None:
            return None
        key = secret(settings.api_key_env) if settings.api_key_env else None
        if settings.api_key_env and not key:
            logger.critical(
                "fallback is off: the environment of the Gateway has no %s", settings.api_key_env
            )
            return None
        logger.warning(
            "DATA LEAVES THE HOUSE: while no generator runs, questions and passages go to %s",
            settings.url,
        )
        stage = Elsewhere(settings, key)
        return Candidate(name=FALLBACK, stage=stage, runs=lambda: not self.any_runs())

    def any_runs(self) -> bool:
        """Whether a replica of any generator runs; every router is asked, and learns by that."""
        running = [has_running(handle) for handle in self._all]
        return any(running)
