"""API tokens: only a hash is kept, and a refused one is refused in the same words whatever the reason."""

import datetime as dt
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone
from rest_framework.test import APIClient

from apps.accounts.models import ApiToken, Role, User
from apps.accounts.services import api_token_create, api_token_revoke, token_digest, user_create
from apps.extensions.audit import Actor
from apps.extensions.models import AuditEntry

URL = "/api/v1/extensions/"


def get(clear: str, keyword: str = "Token") -> tuple[int, bytes]:
    response = APIClient().get(URL, headers={"authorization": f"{keyword} {clear}"})
    return response.status_code, response.content


@pytest.fixture
def token(admin: User, actor: Actor) -> tuple[ApiToken, str]:
    return api_token_create(user=admin, name="billing", scopes=["read"], actor=actor)


def test_f51_a_token_has_256_bits_and_only_its_hash_and_prefix_are_kept(token: tuple[ApiToken, str]) -> None:
    row, clear = token
    assert clear.startswith("ra_")
    assert len(clear) == 3 + 43
    assert row.digest == token_digest(clear)
    (kept,) = ApiToken.objects.values_list()
    assert clear not in str(kept)
    assert clear.startswith(row.prefix)
    assert clear not in str(list(AuditEntry.objects.values_list()))


def test_a_good_token_signs_in_and_its_keyword_has_no_case(token: tuple[ApiToken, str]) -> None:
    assert get(token[1])[0] == 200
    assert get(token[1], keyword="token")[0] == 200


def test_another_keyword_is_no_try_to_sign_in(token: tuple[ApiToken, str]) -> None:
    status, body = get(token[1], keyword="Bearer")
    assert status == 401
    assert b"not_authenticated" in body


def test_f51_every_refused_token_gets_the_same_answer(
    token: tuple[ApiToken, str], admin: User, actor: Actor
) -> None:
    row, clear = token
    unknown = get("ra_" + "x" * 43)
    assert unknown[0] == 401
    ApiToken.objects.update(expires_at=timezone.now() - dt.timedelta(seconds=1))
    assert get(clear) == unknown
    ApiToken.objects.update(expires_at=None)
    User.objects.filter(pk=admin.pk).update(is_active=False)
    assert get(clear) == unknown
    User.objects.filter(pk=admin.pk).update(is_active=True)
    assert get(clear)[0] == 200
    api_token_revoke(token=row, actor=actor)
    assert get(clear) == unknown


def test_the_last_use_is_written_at_most_once_a_minute(token: tuple[ApiToken, str]) -> None:
    _, clear = token
    get(clear)
    first = ApiToken.objects.get().last_used_at
    assert first is not None
    get(clear)
    assert ApiToken.objects.get().last_used_at == first
    ApiToken.objects.update(last_used_at=first - dt.timedelta(seconds=61))
    get(clear)
    again = ApiToken.objects.get().last_used_at
    assert again is not None
    assert again >= first


def test_a_supervisors_token_can_only_read(supervisor: User, actor: Actor) -> None:
    with pytest.raises(ValidationError, match="not an admin"):
        api_token_create(user=supervisor, name="x", scopes=["read", "write"], actor=actor)


@pytest.mark.parametrize(("name", "scopes"), [("", ["read"]), ("x", ["root"]), ("x", [])])
def test_a_token_needs_a_name_and_known_scopes(
    admin: User, actor: Actor, name: str, scopes: list[str]
) -> None:
    with pytest.raises(ValidationError):
        api_token_create(user=admin, name=name, scopes=scopes, actor=actor)


def test_the_database_refuses_what_no_service_would_write(token: tuple[ApiToken, str]) -> None:
    states: list[dict[str, Any]] = [{"scopes": ["root"]}, {"scopes": []}, {"digest": token[1]}]
    for impossible in states:
        with pytest.raises(IntegrityError), transaction.atomic():
            ApiToken.objects.update(**impossible)
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.update(role="root")


def test_a_user_is_made_with_an_audit_row_and_no_clear_password(db: None, actor: Actor) -> None:
    user = user_create(username="eve", password="correct horse battery", role=Role.ADMIN, actor=actor)
    assert user.check_password("correct horse battery")
    entry = AuditEntry.objects.get(action="user_create")
    assert (entry.target_label, entry.changes) == ("eve", {"role": "admin"})


def test_an_inactive_admin_is_no_admin(admin: User) -> None:
    admin.is_active = False
    assert not admin.is_admin
