"""How near our OpenAPI description is to OpenAI's own, by the method that OGX publishes.

    python -m benchmarks.conformance openapi.json        (make conformance SPEC=openapi.json)

For every operation that both describe, request, replies and parameters are walked side by side. A
property that ours lacks, or that has another type, null where theirs has none (or none where theirs
has), fewer values, other branches of a union or another default, is a problem; the score is the
share of OpenAI's properties without one. As in OGX's method, what theirs joins by `allOf` is not
compared. OGX has `oasdiff` do the walk (https://github.com/ogx-ai/ogx, scripts/openai_coverage.py);
this is a walk of its own by the same rules. OpenAI's file is given by its path and is no part of
this repository (https://github.com/openai/openai-openapi).
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from graphs.api.app import build_app
from graphs.api.services import Services
from graphs.config import GatewayConfig

Node = Mapping[str, Any]
# OGX's own figures (docs/docs/api-openai/conformance.mdx), by OpenAI's tags.
OGX = {
    "Chat": 98.5, "Completions": 58.7, "Embeddings": 78.6, "Moderations": 17.0, "Models": 93.3,
    "Files": 76.2, "Vector stores": 82.9, "Responses": 88.9, "Conversations": 98.9, "Batch": 39.9,
}  # fmt: skip
_METHODS = ("get", "post", "delete", "put", "patch")
_UNIONS = ("anyOf", "oneOf")


@dataclass
class Score:
    """What was found in one group.

    Attributes:
        num_properties: of OpenAI's description, as deep as it goes.
        problems: where, and what is wrong.
    """

    num_properties: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def percent(self) -> float:
        """The share of properties without a problem."""
        total = max(self.num_properties, len(self.problems), 1)
        return 100 * (1 - len(self.problems) / total)


class Description:
    """An OpenAPI description whose references are followed."""

    def __init__(self, document: Node) -> None:
        self._document = document

    def paths(self) -> dict[str, Node]:
        """Gives the paths, without the prefix `/v1` and the names of their parameters."""
        return {
            re.sub(r"{[^}]*}", "{}", path.removeprefix("/v1")): item
            for path, item in self._document["paths"].items()
        }

    def followed(self, node: Node) -> Node:
        """Follows a reference."""
        while "$ref" in node:
            at: Any = self._document
            for name in str(node["$ref"]).removeprefix("#/").split("/"):
                at = at[name.replace("~1", "/").replace("~0", "~")]
            node = at
        return node

    def num_properties(self, node: Node, seen: frozenset[str] = frozenset()) -> int:
        """Counts the properties of a schema, as deep as it goes."""
        if "$ref" in node:
            name = str(node["$ref"])
            return 0 if name in seen else self.num_properties(self.followed(node), seen | {name})
        children = [*node.get("properties", {}).values()]
        count = len(children)
        for name in ("allOf", *_UNIONS):
            children += node.get(name, ())
        for name in ("items", "additionalProperties"):
            children += [node[name]] if isinstance(node.get(name), dict) else []
        return count + sum(self.num_properties(child, seen) for child in children)

    def shape(self, node: Node, depth: int = 6) -> str:
        """Writes what a schema allows, without words about it, so that two can be compared."""
        node = self.followed(node)
        if depth == 0:
            return "..."
        told: dict[str, Any] = {"type": _types(node), "enum": sorted(map(str, _values(node) or ()))}
        for name in ("allOf", *_UNIONS):
            told["anyOf" if name == "oneOf" else name] = sorted(
                self.shape(one, depth - 1) for one in node.get(name, ())
            )
        for name, one in sorted(node.get("properties", {}).items()):
            told[f".{name}"] = self.shape(one, depth - 1)
        if isinstance(node.get("items"), dict):
            told["items"] = self.shape(node["items"], depth - 1)
        return json.dumps({name: one for name, one in told.items() if one})


def _types(node: Node) -> list[str]:
    kinds = node.get("type", [])
    return sorted([kinds] if isinstance(kinds, str) else kinds)


def _values(node: Node) -> list[Any] | None:
    return [node["const"]] if "const" in node else node.get("enum")


class Walk:
    """Compares one description with another."""

    def __init__(self, theirs: Description, ours: Description) -> None:
        self._theirs, self._ours = theirs, ours

    def scores(self) -> dict[str, Score]:
        """Gives the score of every group of OpenAI's that we serve something of."""
        found: dict[str, Score] = {}
        our_paths = self._ours.paths()
        for path, item in self._theirs.paths().items():
            for method in _METHODS:
                operation, mine = item.get(method), our_paths.get(path, {}).get(method)
                if operation is None or mine is None or not operation.get("tags"):
                    continue
                if "200" not in mine["responses"]:  # it is always refused
                    continue
                score = found.setdefault(operation["tags"][0], Score())
                score.num_properties += self._size(operation)
                where = f"{method.upper()} {path}"
                score.problems += [f"{where} {one}" for one in self._operation(operation, mine)]
        return found

    def _size(self, operation: Node) -> int:
        schemas = [one for _, one in _schemas(operation)]
        return len(operation.get("parameters", ())) + sum(
            self._theirs.num_properties(one) for one in schemas
        )

    def _operation(self, theirs: Node, ours: Node) -> Iterator[str]:
        mine = dict(_schemas(ours))
        for where, schema in _schemas(theirs):
            if where in mine:
                yield from self._schema(schema, mine[where], where)
        sent = {one["name"]: one for one in map(self._ours.followed, ours.get("parameters", ()))}
        for one in map(self._theirs.followed, theirs.get("parameters", ())):
            name = one["name"]
            if one["in"] == "path":
                continue
            if name not in sent:
                yield f"{one['in']} {name}: missing"
            else:
                yield from self._property(one.get("schema", {}), sent[name]["schema"], name)

    def _schema(self, theirs: Node, ours: Node, where: str, depth: int = 12) -> Iterator[str]:
        theirs, ours = self._theirs.followed(theirs), self._ours.followed(ours)
        if depth == 0:
            return
        mine = ours.get("properties", {})
        for name, one in theirs.get("properties", {}).items():
            if name in mine:
                yield from self._property(one, mine[name], f"{where}.{name}", depth - 1)
            elif mine:
                yield f"{where}.{name}: missing"
        if isinstance(theirs.get("items"), dict) and isinstance(ours.get("items"), dict):
            yield from self._schema(theirs["items"], ours["items"], f"{where}[]", depth - 1)

    def _property(self, theirs: Node, ours: Node, where: str, depth: int = 12) -> Iterator[str]:
        """Tells what is wrong with one property, in one line, and what is wrong within it."""
        theirs, ours = self._theirs.followed(theirs), self._ours.followed(ours)
        details = [*_difference(theirs, ours)]
        branches = [
            sorted(one.shape(branch) for name in _UNIONS for branch in node.get(name, ()))
            for one, node in ((self._theirs, theirs), (self._ours, ours))
        ]
        if branches[0] != branches[1]:
            details.append(f"union of {len(branches[0])} is one of {len(branches[1])}")
        if details:
            yield f"{where}: {'; '.join(details)}"
        yield from self._schema(theirs, ours, where, depth)


def _difference(theirs: Node, ours: Node) -> Iterator[str]:
    if _types(theirs) != _types(ours):
        yield f"type {_types(theirs)} is {_types(ours)}"
    values, mine = _values(theirs), _values(ours)
    if values is not None and (gone := set(map(str, values)) - set(map(str, mine or ()))):
        yield f"values {sorted(gone)} are missing"
    if theirs.get("default") != ours.get("default"):
        yield f"default {theirs.get('default')!r} is {ours.get('default')!r}"


def _schemas(operation: Node) -> Iterator[tuple[str, Node]]:
    """Gives the JSON schemas of an operation: of its body, and of its replies by their status."""
    contents = {"request": operation.get("requestBody", {})}
    contents |= {f"reply {status}": one for status, one in operation.get("responses", {}).items()}
    for where, one in contents.items():
        if schema := one.get("content", {}).get("application/json", {}).get("schema"):
            yield where, schema


def table(scores: Mapping[str, Score]) -> str:
    """Writes the scores beside OGX's as a Markdown table."""
    lines = ["| group | properties | problems | score | OGX |", "|---|---|---|---|---|"]
    for group in sorted(scores):
        score, theirs = scores[group], OGX.get(group, "-")
        lines.append(
            f"| {group} | {score.num_properties} | {len(score.problems)} | "
            f"{score.percent:.1f} | {theirs} |"
        )
    total = Score(
        sum(one.num_properties for one in scores.values()),
        [problem for one in scores.values() for problem in one.problems],
    )
    lines.append(
        f"| all | {total.num_properties} | {len(total.problems)} | {total.percent:.1f} | 91.7 |"
    )
    return "\n".join(lines)


def our_description() -> Node:
    """Gives the description that our server serves."""
    nobody: dict[str, Any] = dict.fromkeys(
        ("pipeline", "embedder", "reranker", "safety", "retriever", "corpus")
    )
    return build_app(Services(config=GatewayConfig(), **nobody)).openapi()


def main() -> None:
    """Prints the table, and the problems where they are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("official", type=Path, help="OpenAI's description, .json or .yaml")
    parser.add_argument("--problems", action="store_true", help="print every problem, too")
    asked = parser.parse_args()
    load = json.loads if asked.official.suffix == ".json" else yaml.safe_load
    document = load(asked.official.read_bytes())
    scores = Walk(Description(document), Description(our_description())).scores()
    sys.stdout.write(table(scores) + "\n")
    for group, score in sorted(scores.items() if asked.problems else ()):
        sys.stdout.writelines(f"{group}: {problem}\n" for problem in score.problems)


if __name__ == "__main__":
    main()
