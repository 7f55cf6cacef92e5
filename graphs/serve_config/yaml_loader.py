"""Loads YAML as `yaml.SafeLoader` does, within bounds: a hostile text ends in one error, soon.

That loader runs no code, yet a few lines of it (aliases of aliases of aliases) keep whoever walks
the result busy for minutes, and others end in errors of no common kind. What a config must hold is
told in checks.py.
"""

from dataclasses import dataclass
from itertools import chain
from typing import Any

import yaml

# A config of 64 shards has 3,000 nodes and is 10 deep.
MAX_NODES = 20_000
MAX_DEPTH = 40
# What PyYAML raises of a scalar that has the form of its type but no value, such as 2026-02-30.
_NO_VALUE = (ValueError, LookupError, AttributeError)


@dataclass(frozen=True, kw_only=True)
class _Extent:
    """How large a node is when every alias in it is written out."""

    num_nodes: int
    depth: int


class BoundedLoader(yaml.SafeLoader):
    """A loader of one text.

    Raises:
        yaml.reader.ReaderError: the text holds a character that YAML does not allow, such as NUL.
        yaml.MarkedYAMLError: it is no YAML, too large or too deep with its aliases written out, or
            an alias stands inside of what it names.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._extents: dict[yaml.Node, _Extent] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Composes what comes next; bounded before anything walks it."""
        # PyYAML's stubs give it no type.
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        mark = event.start_mark
        self._depth += 1
        _check(self._depth <= MAX_DEPTH, f"nested deeper than {MAX_DEPTH} levels", mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if node is not None and node not in self._extents:
            # A node that is known by its anchor, but not yet by its extent, is not finished.
            message = "an alias stands inside of what it names"
            _check(not isinstance(event, yaml.AliasEvent), message, mark)
            self._extents[node] = self._extent(node, mark)
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Makes the value of a node."""
        try:
            value = super().construct_object(node, deep)
            if isinstance(value, str):
                value.encode()  # half a surrogate pair ends JSON and terminals later
        except _NO_VALUE as err:
            kind = node.tag.rpartition(":")[2]
            message = f"no {kind}: {node.value!r}"
            raise yaml.constructor.ConstructorError(None, None, message, node.start_mark) from err
        return value

    def _extent(self, node: yaml.Node, mark: yaml.Mark) -> _Extent:
        below = [self._extents[child] for child in _children(node)]
        num_nodes = 1 + sum(extent.num_nodes for extent in below)
        depth = 1 + max((extent.depth for extent in below), default=0)
        what = f"with its aliases written out, this has more than {MAX_NODES} keys and values"
        _check(num_nodes <= MAX_NODES, what, mark)
        what = f"with its aliases written out, this is nested deeper than {MAX_DEPTH} levels"
        _check(depth <= MAX_DEPTH, what, mark)
        return _Extent(num_nodes=num_nodes, depth=depth)


def _check(is_fine: bool, message: str, mark: yaml.Mark) -> None:
    if not is_fine:
        raise yaml.composer.ComposerError(None, None, message, mark)


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return list(chain.from_iterable(node.value))
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []
