"""People: who may sign in, in which role. For admins; a new password is shown once, in the answer that makes it."""

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.models import Role, User
from apps.accounts.services import (
    generate_user_password,
    user_create,
    user_password_change,
    user_set_active,
)
from apps.console.access import actor_of, admin_required
from apps.console.forms import PersonForm, posted


@require_http_methods(["GET", "HEAD", "POST"])
@admin_required
def index(request: HttpRequest) -> HttpResponse:
    form, new_password = PersonForm(posted(request)), generate_user_password()
    person = form.apply(
        lambda: user_create(
            username=form.cleaned_data["username"],
            password=new_password,
            role=Role(form.cleaned_data["role"]),
            actor=actor_of(request),
        )
    )
    if person is None:
        return _page(request, form)
    return _page(request, PersonForm(), person, new_password)


@require_POST
@admin_required
def password(request: HttpRequest, user_id: UUID) -> HttpResponse:
    """A new password for somebody else; their sessions end."""
    person, new_password = get_object_or_404(User, pk=user_id), generate_user_password()
    user_password_change(user=person, password=new_password, actor=actor_of(request))
    return _page(request, PersonForm(), person, new_password)


@require_POST
@admin_required
def disable(request: HttpRequest, user_id: UUID) -> HttpResponse:
    return _set_active(request, user_id, is_active=False)


@require_POST
@admin_required
def enable(request: HttpRequest, user_id: UUID) -> HttpResponse:
    return _set_active(request, user_id, is_active=True)


def _set_active(request: HttpRequest, user_id: UUID, *, is_active: bool) -> HttpResponse:
    person = get_object_or_404(User, pk=user_id)
    try:
        user_set_active(user=person, is_active=is_active, actor=actor_of(request))
    except ValidationError as refusal:
        messages.error(request, " ".join(refusal.messages))
    else:
        messages.success(
            request, f"{person.username} {'may sign in' if is_active else 'is signed out and disabled'}."
        )
    return redirect("console:people")


def _page(
    request: HttpRequest, form: PersonForm, person: User | None = None, new_password: str = ""
) -> HttpResponse:
    context = {
        "section": "settings",
        "people": User.objects.order_by("-is_active", "username"),
        "form": form,
        "person": person,
        "new_password": new_password,
    }
    response = render(request, "console/people.html", context)
    if person is not None:
        response["Cache-Control"] = "no-store"
    return response
