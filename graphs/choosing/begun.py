"""Which generator began which answers, by the digests of their models, and which ones have run.

An answer goes on exactly only with the model that began it, so who comes back for the rest goes to
the same generator, whatever the settings say by then.
"""

_MAX_IDENTITIES = 32  # models that are swapped and adapted while answers break


class Begun:
    """Remembers the generator of each model that has answered; the newest are kept.

    Attributes:
        seen: names of generators that have run, or that a question waited for in vain: one of
            them that does not run is gone, any other may just start.
    """

    def __init__(self) -> None:
        self._by_identity: dict[str, str] = {}
        self.seen: set[str] = set()

    def note(self, identity: str, generator: str) -> None:
        """Takes note of an answer that begins."""
        self._by_identity.pop(identity, None)
        self._by_identity[identity] = generator
        for oldest in list(self._by_identity)[:-_MAX_IDENTITIES]:
            del self._by_identity[oldest]

    def of(self, identity: str | None) -> str | None:
        """Gives the generator that has this model; None where it is not known."""
        return None if identity is None else self._by_identity.get(identity)
