"""A YAML file that knows the line of every key, and the text of a fault in it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from deployments.user_config import ConfigFault, Place
from graphs.errors import ConfigError
from graphs.serve_config.yaml_loader import BoundedLoader

_MAX_FAULTS, _MAX_LABEL_CHARS, _MAX_LINE_CHARS = 100, 100, 2000


@dataclass(frozen=True, kw_only=True)
class ConfigFile:
    """A config and where it was written.

    Attributes:
        name: of the file; "" when what was read is not known.
        value: as `yaml.safe_load` gives it.
        root: the node of the whole; None when there is no text.
    """

    name: str
    value: Any
    root: yaml.Node | None = None

    def describe(self, fault: ConfigFault) -> str:
        """Tells a fault: `copy.yaml:23: Reranker.user_config: unknown key 'max_token'; ...`."""
        parts = [self._position(fault), self._label(fault.where), fault.message]
        return _cut(_on_one_line(": ".join(filter(None, parts))), _MAX_LINE_CHARS)

    def refuse(self, faults: Sequence[ConfigFault]) -> None:
        """Raises with the first 100 faults, one a line, if there are any.

        Raises:
            ConfigError: there are.
        """
        if faults:
            ordered = sorted(faults, key=self._line)
            lines = list(dict.fromkeys(map(self.describe, ordered[:_MAX_FAULTS])))
            if len(ordered) > _MAX_FAULTS:
                lines.append(f"{self.name}: and {len(ordered) - _MAX_FAULTS} more faults")
            raise ConfigError("\n".join(lines))

    def repeated_keys(self) -> Iterator[ConfigFault]:
        """Finds keys that stand twice in one mapping, of which YAML drops all but the last."""
        yield from _repeated_keys(self.root, ()) if self.root is not None else ()

    def _position(self, fault: ConfigFault) -> str:
        return f"{self.name}:{self._line(fault)}" if self.root is not None else self.name

    def _line(self, fault: ConfigFault) -> int:
        """The line of the place, or of what is nearest above it where that is not written."""
        if self.root is None:
            return 0
        place = fault.where if fault.key is None else (*fault.where, fault.key)
        node, line = self.root, self.root.start_mark.line
        for part in place:
            found = _child(node, part)
            if found is None:
                break
            node, line = found
        return int(line) + 1

    def _label(self, where: Place) -> str:
        """The place in the words of the file: deployments and applications have names there."""
        names: list[str] = []
        value = self.value
        for part in where:
            value = _inside(value, part)
            if isinstance(part, int) and isinstance(value, Mapping) and "name" in value:
                names = [str(value["name"])]
            else:
                names.append(str(part))
        return _cut(".".join(names), _MAX_LABEL_CHARS)


def parse_config_file(text: str, name: str) -> ConfigFile:
    """Reads YAML.

    Raises:
        ConfigError: it is none.
    """
    try:
        loader = BoundedLoader(text)
        root = loader.get_single_node()
        value = loader.construct_document(root) if root else {}
    except yaml.reader.ReaderError as err:
        line = text.count("\n", 0, err.position) + 1
        message = f"no YAML: character U+{err.character:04X} is not allowed"
        raise ConfigError(f"{name}:{line}: {message}") from err
    except yaml.MarkedYAMLError as err:
        line = err.problem_mark.line + 1 if err.problem_mark else 1
        raise ConfigError(f"{name}:{line}: no YAML: {_problem(err, text)}") from err
    return ConfigFile(name=name, value=value, root=root)


def _cut(text: str, max_chars: int) -> str:
    return text if len(text) <= max_chars else f"{text[:max_chars]}..."


def _on_one_line(text: str) -> str:
    """Escapes what is no text on a terminal; names in a file may hold anything."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def _problem(err: yaml.MarkedYAMLError, text: str) -> str:
    mark = err.problem_mark
    if mark is not None:
        before, here = text[: mark.index].rpartition("\n")[2], text[mark.index : mark.index + 1]
        indent = before[: len(before) - len(before.lstrip())]
        if "\t" in indent + here:
            return "a tab stands where YAML wants spaces"
    return str(err.problem)


def _inside(value: Any, part: str | int) -> Any:
    try:
        return value[part]
    except (KeyError, IndexError, TypeError):
        return None


def _child(node: yaml.Node, part: str | int) -> tuple[yaml.Node, int] | None:
    """The node below, and the line where it begins: of a mapping, that of the key."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == part:
                return value, key.start_mark.line
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part].start_mark.line
    return None


def _repeated_keys(node: yaml.Node, where: Place) -> Iterator[ConfigFault]:
    if isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _repeated_keys(value, (*where, index))
    elif isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if key.value in seen:
                message = f"key {key.value!r} stands twice, again in line {key.start_mark.line + 1}"
                yield ConfigFault(where=where, key=key.value, message=message)
            seen.add(key.value)
            yield from _repeated_keys(value, (*where, key.value))
