"""`/docs`: the OpenAPI description as one plain page, which loads nothing from anywhere."""

import html
import json
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

router = APIRouter(include_in_schema=False)

_STYLE = (
    "body{font:15px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}"
    "code{font-weight:bold}pre{background:#f4f4f4;padding:1em;overflow:auto}"
    "details{border-top:1px solid #ccc;padding:.5em 0}"
)


@router.get("/docs", response_class=HTMLResponse)
async def get_docs(request: Request) -> HTMLResponse:
    """Shows every route with its description, parameters and schemas."""
    description: dict[str, Any] = request.app.openapi()
    operations = [
        _operation(method, path, operation)
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    ]
    schemas = [
        _block(html.escape(name), schema)
        for name, schema in sorted(description["components"]["schemas"].items())
    ]
    title = html.escape(description["info"]["title"])
    return HTMLResponse(
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>"
        f"<style>{_STYLE}</style><h1>{title}</h1>"
        '<p>For tools: <a href="openapi.json">openapi.json</a></p>'
        f"<h2>Routes</h2>{''.join(operations)}<h2>Schemas</h2>{''.join(schemas)}</html>"
    )


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    summary = html.escape(str(operation.get("summary", "")))
    title = f"<code>{method.upper()} {html.escape(path)}</code> {summary}"
    told = ("description", "parameters", "requestBody", "responses")
    return _block(title, {name: operation[name] for name in told if name in operation})


def _block(title: str, content: object) -> str:
    text = html.escape(json.dumps(content, indent=2, ensure_ascii=False))
    return f"<details><summary>{title}</summary><pre>{text}</pre></details>"
