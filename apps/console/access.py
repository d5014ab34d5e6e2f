"""Who may do what in the console: everybody signed in sees, admins change.

Must not decide anything by what a page shows: each view that writes is wrapped here.
"""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase

from apps.accounts.models import User
from apps.extensions.audit import Actor

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def admin_required(view: View[P]) -> View[P]:
    """403 for a supervisor, whatever the method: the form of a change is part of the change."""

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if not signed_in_user(request).is_admin:
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return guarded


def signed_in_user(request: HttpRequest) -> User:
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


def actor_of(request: HttpRequest) -> Actor:
    return Actor.of_user(signed_in_user(request), via="console")
