"""The border for forms: how many parts one may have."""

from typing import Any

from graphs.api.border.bodies.strict_json import JsonRequest, JsonRoute

_MAX_FILES = 8
_MAX_FIELDS = 64
_MAX_PART_BYTES = 2**20  # of one that is no file


class FormRequest(JsonRequest):
    """A request whose form has hardly more parts than its route names; each takes time to read."""

    def form(
        self,
        *,
        max_files: float = _MAX_FILES,
        max_fields: float = _MAX_FIELDS,
        max_part_size: int = _MAX_PART_BYTES,
    ) -> Any:
        """Reads the form; with more parts than may be, the client gets 400."""
        return super().form(max_files=max_files, max_fields=max_fields, max_part_size=max_part_size)


class FormRoute(JsonRoute):
    """A route that reads its body, a form or JSON, through FormRequest."""

    request_class = FormRequest
