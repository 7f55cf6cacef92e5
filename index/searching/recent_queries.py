"""What was searched for lately, to compare embedders on; in memory alone."""

import threading
from collections import OrderedDict, deque
from collections.abc import Sequence

QUERIES_A_STORE = 300
MAX_STORES = 64
MAX_CHARS = 1000  # a longer text is no question, and is not remembered


class RecentQueries:
    """The last texts that each store was searched for; thread-safe.

    Bounded: `QUERIES_A_STORE` texts, of at most `MAX_CHARS`, of the `MAX_STORES` stores that were
    searched last.
    """

    def __init__(self) -> None:
        self._of_store: OrderedDict[str, deque[str]] = OrderedDict()
        self._lock = threading.Lock()

    def note(self, store_ids: Sequence[str], text: str) -> None:
        """Remembers a text."""
        if not text.strip() or len(text) > MAX_CHARS:
            return
        with self._lock:
            for store_id in store_ids:
                queries = self._of_store.setdefault(store_id, deque(maxlen=QUERIES_A_STORE))
                queries.append(text)
                self._of_store.move_to_end(store_id)
            while len(self._of_store) > MAX_STORES:
                self._of_store.popitem(last=False)

    def of(self, store_id: str) -> tuple[str, ...]:
        """The texts of a store, each once, the newest last."""
        with self._lock:
            queries = tuple(self._of_store.get(store_id, ()))
        return tuple(dict.fromkeys(queries))
