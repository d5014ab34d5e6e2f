"""Reads JSON bodies within limits. Must not hold more than MAX_BODY of a body, however long it says it is."""

from collections.abc import Mapping
from io import BytesIO
from typing import IO, Any, Final

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from apps.api.problems import BODY_TOO_LARGE, Problem

MAX_BODY: Final = 64 * 1024


class BoundedJSONParser(JSONParser):
    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        body = stream.read(MAX_BODY + 1)
        if len(body) > MAX_BODY:
            raise Problem(BODY_TOO_LARGE, f"Send at most {MAX_BODY // 1024} kB.")
        try:
            return super().parse(BytesIO(body), media_type, parser_context)
        except RecursionError:
            raise ParseError("JSON parse error - nested too deeply") from None
