"""Keeps what vLLM's scheduler tells of each step: the latest of what is now, sums of the rest."""

from typing import Any

from vllm.v1.metrics.loggers import StatLoggerBase

from models.generation import EngineStats


class KeptStats(StatLoggerBase):  # type: ignore[misc]  # vLLM is not followed
    """A logger of vLLM's that logs nothing."""

    def __init__(self, vllm_config: Any, engine_index: int = 0) -> None:
        self._num_waiting = self._num_asked = self._num_found = self._num_preempted = 0
        self._num_drafted = self._num_accepted = 0
        self._cache_use = 0.0

    def record(
        self,
        scheduler_stats: Any,
        iteration_stats: Any,
        mm_cache_stats: Any = None,
        engine_idx: int = 0,
    ) -> None:
        """Takes note of a step; either kind of numbers may be missing."""
        if scheduler_stats is not None:
            deferred = scheduler_stats.num_skipped_waiting_reqs
            self._num_waiting = scheduler_stats.num_waiting_reqs + deferred
            self._cache_use = scheduler_stats.kv_cache_usage
            self._num_asked += scheduler_stats.prefix_cache_stats.queries
            self._num_found += scheduler_stats.prefix_cache_stats.hits
            if (drafts := scheduler_stats.spec_decoding_stats) is not None:
                self._num_drafted += drafts.num_draft_tokens
                self._num_accepted += drafts.num_accepted_tokens
        if iteration_stats is not None:
            self._num_preempted += iteration_stats.num_preempted_reqs

    def log_engine_initialized(self) -> None:
        """Tells nothing."""

    def stats(self, num_requests: int) -> EngineStats:
        """Gives the numbers of an engine that has so many requests.

        vLLM tells nothing of a request that is aborted while nothing else is decoded.
        """
        num_waiting = min(self._num_waiting, num_requests)
        return EngineStats(
            num_running=num_requests - num_waiting,
            num_waiting=num_waiting,
            cache_use=self._cache_use if num_requests else 0.0,
            num_prefix_asked=self._num_asked,
            num_prefix_found=self._num_found,
            num_preempted=self._num_preempted,
            num_drafted=self._num_drafted,
            num_accepted=self._num_accepted,
        )
