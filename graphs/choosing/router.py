"""Tells easy questions from hard ones, by a rule or by what was learnt from judged answers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from graphs.choosing.asked import Asked
from graphs.router_weights import Weights, read_weights
from graphs.settings import RoutingSettings

BUNDLED = Path(__file__).with_name("router.json")


class Router(Protocol):
    """Says which questions a small generator answers as well as a large one."""

    def is_easy(self, asked: Asked) -> bool:
        """Decides by the question alone, so that the same one goes the same way again."""
        ...


@dataclass(frozen=True)
class RuleRouter:
    """Easy is what stays within every bound of the settings."""

    settings: RoutingSettings

    def is_easy(self, asked: Asked) -> bool:
        """A question that asks for a form, for tools or for no passages is hard.

        So is one whose passages have no scores of the reranker.
        """
        most = self.settings
        return (
            not asked.is_formed
            and asked.is_reranked
            and asked.question_words <= most.max_question_words
            and asked.parts <= most.max_parts
            and asked.passages <= most.max_passages
            and asked.passage_chars <= most.max_passage_chars
            and asked.best_score >= most.min_score
        )


@dataclass(frozen=True)
class TrainedRouter:
    """Easy is what is likely enough to be answered as well."""

    weights: Weights
    min_ease: float

    def is_easy(self, asked: Asked) -> bool:
        """What the weights were not trained on is hard: forms, tools, no passages, other ranges."""
        numbers = asked.numbers()
        is_known = asked.is_reranked and not asked.is_formed and self.weights.covers(numbers)
        return is_known and self.weights.ease(numbers) >= self.min_ease


def router_of(settings: RoutingSettings) -> Router | None:
    """Makes the router of these settings; None where there is none.

    Raises:
        ConfigError: the weights cannot be read.
    """
    if settings.router is None:
        return None
    if settings.router == "rule":
        return RuleRouter(settings)
    path = BUNDLED if settings.weights is None else Path(settings.weights)
    return TrainedRouter(read_weights(path), settings.min_ease)
