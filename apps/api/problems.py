"""Every error of the API as a problem (RFC 9457): one closed table of kinds with stable codes.

Must not tell a client anything of our own faults: those are logged once, and the answer says only that there was one.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.core.exceptions import (
    ObjectDoesNotExist,
    SuspiciousOperation,
)
from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import IntegrityError, OperationalError
from django.http import Http404
from django.utils.log import log_response
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

CONTENT_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "urn:registrar-admin:problem:"
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """code is what programs compare, title what it means in general."""

    code: str
    status: int
    title: str


INVALID: Final = ProblemKind("invalid", 400, "Something in the request has to be corrected.")
MALFORMED_JSON: Final = ProblemKind("malformed_json", 400, "The body is not JSON.")
BAD_REQUEST: Final = ProblemKind("bad_request", 400, "The request cannot be read.")
NOT_AUTHENTICATED: Final = ProblemKind("not_authenticated", 401, "A token is needed.")
INVALID_TOKEN: Final = ProblemKind("invalid_token", 401, "The token is not valid.")
FORBIDDEN: Final = ProblemKind("forbidden", 403, "This is not allowed.")
SCOPE_MISSING: Final = ProblemKind("scope_missing", 403, "The token does not have the scope this needs.")
ADMIN_ONLY: Final = ProblemKind("admin_only", 403, "Only an admin may change anything.")
NOT_FOUND: Final = ProblemKind("not_found", 404, "There is nothing under this address.")
UNKNOWN_EXTENSION: Final = ProblemKind("unknown_extension", 404, "There is no such extension or SIP peer.")
METHOD_NOT_ALLOWED: Final = ProblemKind("method_not_allowed", 405, "This address does not take this method.")
NOT_ACCEPTABLE: Final = ProblemKind("not_acceptable", 406, "Answers are JSON only.")
CONFLICT: Final = ProblemKind("conflict", 409, "Another change came first. Read again and repeat.")
AMBIGUOUS: Final = ProblemKind("ambiguous", 409, "Several domains have this name.")
BODY_TOO_LARGE: Final = ProblemKind("body_too_large", 413, "The body is too large.")
UNSUPPORTED_MEDIA_TYPE: Final = ProblemKind("unsupported_media_type", 415, "Bodies are JSON only.")
THROTTLED: Final = ProblemKind("throttled", 429, "Too many requests.")
SERVER_ERROR: Final = ProblemKind("server_error", 500, "We made a mistake. It is in the log.")
TOO_MANY_STREAMS: Final = ProblemKind("too_many_streams", 503, "No more event streams here. Try again later.")
UNAVAILABLE: Final = ProblemKind("unavailable", 503, "The database does not answer. Try again.")

_BY_TYPE: Final[tuple[tuple[type[Exception], ProblemKind], ...]] = (
    (exceptions.NotAuthenticated, NOT_AUTHENTICATED),
    (exceptions.AuthenticationFailed, INVALID_TOKEN),
    (exceptions.ParseError, MALFORMED_JSON),
    (exceptions.MethodNotAllowed, METHOD_NOT_ALLOWED),
    (exceptions.NotAcceptable, NOT_ACCEPTABLE),
    (exceptions.UnsupportedMediaType, UNSUPPORTED_MEDIA_TYPE),
    (exceptions.Throttled, THROTTLED),
    (exceptions.PermissionDenied, FORBIDDEN),
    (DjangoPermissionDenied, FORBIDDEN),
    (exceptions.ValidationError, INVALID),
    (DjangoValidationError, INVALID),
    (exceptions.NotFound, NOT_FOUND),
    (Http404, NOT_FOUND),
    (ObjectDoesNotExist, NOT_FOUND),
    (SuspiciousOperation, BAD_REQUEST),
    (IntegrityError, CONFLICT),
    (OperationalError, UNAVAILABLE),
)
_FORBIDDEN_BY_CODE: Final = {kind.code: kind for kind in (SCOPE_MISSING, ADMIN_ONLY)}


class Problem(exceptions.APIException):
    """Raised by a view that knows what to answer."""

    def __init__(self, kind: ProblemKind, detail: str) -> None:
        super().__init__(detail, kind.code)
        self.kind = kind
        self.status_code = kind.status


@dataclass(frozen=True, slots=True)
class FieldError:
    """field is a name of the body or of the query, None for the request as a whole."""

    field: str | None
    code: str
    detail: str

    def as_dict(self) -> dict[str, str | None]:
        return {"field": self.field, "code": self.code, "detail": self.detail}


def problem_response(error: Exception, context: Mapping[str, Any]) -> Response:
    """The answer for whatever a view raised; DRF's exception handler."""
    set_rollback()
    kind = _kind(error)
    errors = list(_field_errors(error, getattr(context.get("view"), "field_names", {})))
    body: dict[str, Any] = {
        "type": TYPE_PREFIX + kind.code,
        "title": kind.title,
        "status": kind.status,
        "detail": _detail(error, kind, errors),
        "code": kind.code,
    }
    if kind is INVALID:
        body["errors"] = [found.as_dict() for found in errors]
    response = Response(body, status=kind.status, headers=_headers(error), content_type=CONTENT_TYPE)
    _log(error, kind, response, context)
    return response


def _kind(error: Exception) -> ProblemKind:
    if isinstance(error, Problem):
        return error.kind
    found = next((kind for of_type, kind in _BY_TYPE if isinstance(error, of_type)), SERVER_ERROR)
    if found is FORBIDDEN and isinstance(error, exceptions.APIException):
        return _FORBIDDEN_BY_CODE.get(str(error.get_codes()), FORBIDDEN)
    return found


def _detail(error: Exception, kind: ProblemKind, errors: Sequence[FieldError]) -> str:
    """Words for this one case. Only DRF's and our own texts are shown: an exception's own may hold anything."""
    if errors:
        return " ".join(f"{found.field}: {found.detail}" if found.field else found.detail for found in errors)
    if isinstance(error, exceptions.APIException) and isinstance(error.detail, str):
        return str(error.detail)
    return kind.title


def _field_errors(error: Exception, names: Mapping[str, str]) -> Iterator[FieldError]:
    if isinstance(error, DjangoValidationError):
        by_field = error.error_dict if hasattr(error, "error_dict") else {"": error.error_list}
        for field, found in by_field.items():
            for one in found:
                yield FieldError(_public(field, names), one.code or "invalid", " ".join(one.messages))
    elif isinstance(error, exceptions.ValidationError):
        yield from _flat(error.detail, "")


def _flat(detail: Any, path: str) -> Iterator[FieldError]:
    """DRF's nested details as one list; a nested field is named outer.inner."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            yield from _flat(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(detail, list):
        for inner in detail:
            yield from _flat(inner, path)
    else:
        yield FieldError(_public(path, {}), getattr(detail, "code", "invalid"), str(detail))


def _public(field: str, names: Mapping[str, str]) -> str | None:
    """The API's name of a service's field."""
    return None if field in ("", "__all__", "non_field_errors") else names.get(field, field)


def _headers(error: Exception) -> dict[str, str]:
    headers = {}
    if auth_header := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = auth_header
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait))
    return headers


def _log(error: Exception, kind: ProblemKind, response: Response, context: Mapping[str, Any]) -> None:
    if isinstance(error, IntegrityError):
        # Not the whole text: PostgreSQL puts the refused row into it, with its HA1s.
        constraint = getattr(getattr(error.__cause__, "diag", None), "constraint_name", None)
        log.warning("refused by the constraint %s", constraint)
    elif kind.status >= 500:
        request = context["request"]
        log_response(
            "%s: %s %s",
            type(error).__name__,
            request.method,
            request.path,
            response=response,
            request=request,
            exception=error,
        )
