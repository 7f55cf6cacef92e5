"""The mask of one answer, from all that a request says of its form.

constraint | tools -> grammar -> GrammarMask --.
thoughts of a reasoning model ----------------> ThinkingMask around it
channels of gpt-oss --------------------------> HeadedMask around it
"""

from collections.abc import Sequence
from dataclasses import replace

from models.chat.families import syntax_of
from models.chat.grammar import CallGrammar
from models.chat.harmony_grammar import harmony_rules
from models.chat.prompting import Prompting
from models.constraints import Constraint, ConstraintKind, Grammar, TokenMask
from models.engines.mask_maker import MaskMaker
from models.engines.thinking_mask import HeadedMask, ThinkingMask
from models.errors import InvalidInputError
from models.generation import Effort, GenerationRequest

# What of the usual length of thoughts a request gets.
_SHARES: dict[Effort, float] = {"none": 0.0, "minimal": 1 / 8, "low": 1 / 4, "medium": 1 / 2}
_ANSWER_SHARE = 0.5  # of all tokens are kept for the answer, where nothing else is configured


class AnswerMasks:
    """Makes the masks of one model.

    Args:
        prompting: how the model writes calls and thoughts.
        maker: of the masks of constraints.
        engine: how errors name it.
        kinds: of constraints that the engine serves.
        max_thought_tokens: most tokens of thoughts; None: half of the answer's.
    """

    def __init__(
        self, prompting: Prompting, maker: MaskMaker, *, engine: str,
        kinds: frozenset[ConstraintKind], max_thought_tokens: int | None,
    ) -> None:  # fmt: skip
        self._prompting = prompting
        self._maker = maker
        self._engine = engine
        self._kinds = kinds
        self._max_thought_tokens = max_thought_tokens

    async def mask(
        self, request: GenerationRequest, prompt_ids: Sequence[int], *, max_tokens: int
    ) -> TokenMask | None:
        """Makes the mask of an answer; None: every id may come.

        Args:
            request: what is asked.
            prompt_ids: of its prompt, which may have begun thoughts.
            max_tokens: most tokens of the answer.

        Raises:
            InvalidInputError: what the answer is to be held to cannot be read, or not be served.
        """
        form = self._prompting.form(prompt_ids, request.tools)
        ids = self._prompting.thought_ids()
        constraint = self._held_to(request, after_thoughts=ids is not None)
        inner = None if constraint is None else await self._served(constraint, request)
        if self._prompting.is_harmony and inner is not None and request.tools is None:
            return HeadedMask(
                head=self._prompting.answer_head, answer=inner,
                vocabulary_size=self._maker.vocabulary_size,
            )  # fmt: skip
        if ids is None or not self._kinds:  # an engine without masks lets thoughts run free
            return inner
        limit = self._max_thought_tokens
        if limit is None:
            limit = int(max_tokens * _ANSWER_SHARE)
        share = 1.0 if request.effort is None else _SHARES.get(request.effort, 1.0)
        # Some engines end with the tokenizer's own end, whatever the checkpoint says.
        ends = {self._prompting.end_id, self._maker.end_id, *self._maker.more_end_ids}
        return ThinkingMask(
            begin_id=ids[0], end_id=ids[1], is_begun=form.is_thinking, limit=int(limit * share),
            stop_ids=frozenset(ends), answer=inner,
            vocabulary_size=self._maker.vocabulary_size,
            call_id=self._prompting.call_id if request.tools else None,
        )  # fmt: skip

    def _held_to(self, request: GenerationRequest, *, after_thoughts: bool) -> Constraint | None:
        """Gives the constraint of an answer; tools are one."""
        if request.tools is None:
            return request.constraint
        if request.constraint is not None:
            msg = "an answer that may call tools can be held to a JSON schema alone"
            raise InvalidInputError(msg)
        use = request.tools
        if self._prompting.is_harmony:
            return Grammar(rules=harmony_rules(use, self._prompting.grammar_ids))
        syntax = syntax_of(self._prompting.family)
        if self._prompting.takes_one_call:
            use = replace(use, parallel=False)
        grammar = CallGrammar(syntax, self._prompting.grammar_ids)
        return Grammar(rules=grammar.rules(use, after_thoughts=after_thoughts))

    async def _served(self, constraint: Constraint, request: GenerationRequest) -> TokenMask:
        if constraint.kind not in self._kinds:
            msg = (
                f"the {self._engine} engine cannot hold an answer to a constraint of kind "
                f"{constraint.kind}; it serves {sorted(self._kinds)}"
            )
            raise InvalidInputError(msg)
        try:
            return await self._maker.mask(constraint)
        except InvalidInputError as err:
            if request.tools is None:
                raise
            raise InvalidInputError(f"the parameters of the tools: {err}") from err
