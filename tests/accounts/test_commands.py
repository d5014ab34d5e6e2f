"""manage.py createadmin and apitoken: one line and exit code 2 for what is wrong; a secret is printed once."""

import io
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.accounts.models import ApiToken, User
from apps.accounts.services import token_digest


def run(*args: str) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command(*args, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def refusal(*args: str) -> str:
    with pytest.raises(CommandError) as refused:
        run(*args)
    assert refused.value.returncode == 2
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_createadmin_prints_a_random_password_once(db: None) -> None:
    out, err = run("createadmin", "--user", "root")
    user = User.objects.get(username="root")
    assert user.check_password(out.strip())
    assert user.is_admin
    assert out.strip() not in err


def test_createadmin_reads_a_password_and_does_not_print_it(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse battery\nmore"))
    out, err = run("createadmin", "--password-stdin")
    assert User.objects.get(username="admin").check_password("correct horse battery")
    assert "horse" not in out + err


@pytest.mark.parametrize("password", ["", "short", "password123", "administrator"])
def test_createadmin_refuses_a_weak_password(
    db: None, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(password))
    refusal("createadmin", "--user", "administrator", "--password-stdin")
    assert not User.objects.exists()


def test_createadmin_leaves_an_account_that_exists_alone(admin: User) -> None:
    before = admin.password
    assert "already" in refusal("createadmin", "--user", "ada")
    assert User.objects.get().password == before


@pytest.mark.parametrize("name", ["", "a b\n", "x" * 151])
def test_createadmin_refuses_a_name_that_cannot_be_one(db: None, name: str) -> None:
    refusal("createadmin", "--user", name)


def test_a_token_stands_alone_on_its_line(admin: User) -> None:
    out, err = run(
        "apitoken", "create", "--user", "ada", "--name", "billing", "--scope", "read", "--scope", "write"
    )
    assert err == ""
    token = ApiToken.objects.get()
    assert token.digest == token_digest(out.removesuffix("\n"))
    assert token.scopes == ["read", "write"]
    assert token.expires_at is None


def test_a_token_reads_only_unless_told_otherwise(supervisor: User) -> None:
    run("apitoken", "create", "--user", "sam", "--name", "wall", "--expires-days", "30")
    token = ApiToken.objects.get()
    assert token.scopes == ["read"]
    assert token.expires_at is not None
    assert 29 < (token.expires_at - token.created_at).days + 1 <= 30


@pytest.mark.parametrize(
    "args",
    [
        ("create", "--user", "nobody", "--name", "x"),
        ("create", "--user", "sam", "--name", "x", "--scope", "write"),
        ("create", "--user", "sam", "--name", ""),
        ("create", "--user", "sam", "--name", "wall"),
        ("create", "--user", "sam", "--name", "x", "--expires-days", "0"),
        ("create", "--user", "sam", "--name", "x", "--expires-days", "99999999999"),
        ("revoke", "nothing"),
    ],
)
def test_a_wrong_argument_is_one_line(supervisor: User, args: Any) -> None:
    run("apitoken", "create", "--user", "sam", "--name", "wall")
    refusal("apitoken", *args)
    assert ApiToken.objects.count() == 1


def test_a_list_shows_no_secret_and_a_revoked_token_says_so(admin: User) -> None:
    clear, _ = run("apitoken", "create", "--user", "ada", "--name", "billing")
    prefix = ApiToken.objects.get().prefix
    listed, _ = run("apitoken", "list")
    assert prefix in listed
    assert "valid" in listed
    assert clear.strip() not in listed
    assert token_digest(clear.strip()) not in listed
    run("apitoken", "revoke", prefix)
    assert "revoked" in run("apitoken", "list")[0]
    refusal("apitoken", "revoke", prefix)


def test_a_name_that_two_users_have_is_not_guessed(admin: User, supervisor: User) -> None:
    for user in ("ada", "sam"):
        run("apitoken", "create", "--user", user, "--name", "wall")
    assert "Several tokens" in refusal("apitoken", "revoke", "wall")
    assert not ApiToken.objects.filter(revoked_at__isnull=False).exists()
