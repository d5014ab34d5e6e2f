"""HA1s sealed under the site's keys: at their place only, by any key of the site, and brought under the newest."""

import io
import re
from uuid import UUID

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command

from apps.extensions import sealing
from apps.extensions.audit import Actor
from apps.extensions.ha1s import COLUMNS, CannotOpen, Ha1Keys, place_of
from apps.extensions.models import AuditEntry, Credential, Domain
from apps.extensions.sealing import missing_keys
from apps.extensions.services import extension_create
from apps.extensions.site_keys import key_id
from apps.sip.digest import Algorithm, ha1

PASSWORD = "Tr0ub4dor&3x"
OLD, NEW = bytes(range(32)), bytes(range(32, 64))
PLACE = place_of(UUID(int=1), UUID(int=2), "1001")


def secret(algorithm: Algorithm, username: str = "1001") -> str:
    return ha1(algorithm, username, "example.com", PASSWORD)


def opened(credential: Credential, *keys: bytes) -> dict[Algorithm, str]:
    place = place_of(credential.pk, credential.peer_id, credential.username)
    return {
        algorithm: Ha1Keys(keys).open(getattr(credential, column), algorithm, place)
        for algorithm, column in COLUMNS.items()
    }


def seal() -> str:
    err = io.StringIO()
    call_command("seal_credentials", stderr=err)
    return err.getvalue()


@pytest.mark.parametrize("algorithm", Algorithm)
def test_what_is_sealed_opens_at_its_place_and_nowhere_else(algorithm: Algorithm) -> None:
    keys = Ha1Keys([NEW])
    sealed = keys.seal(secret(algorithm), algorithm, PLACE)

    assert keys.open(sealed, algorithm, PLACE) == secret(algorithm)
    elsewhere = [
        place_of(UUID(int=9), UUID(int=2), "1001"),
        place_of(UUID(int=1), UUID(int=9), "1001"),
        place_of(UUID(int=1), UUID(int=2), "1002"),
    ]
    for place in elsewhere:
        with pytest.raises(CannotOpen, match="changed or moved"):
            keys.open(sealed, algorithm, place)
    other = next(each for each in Algorithm if each is not algorithm)
    with pytest.raises(CannotOpen):
        keys.open(sealed, other, PLACE)
    changed = sealed[:20] + ("B" if sealed[20] == "A" else "A") + sealed[21:]
    with pytest.raises(CannotOpen):
        keys.open(changed, algorithm, PLACE)


def test_the_same_password_is_sealed_differently_each_time() -> None:
    keys = Ha1Keys([NEW])
    assert len({keys.seal(secret(Algorithm.MD5), Algorithm.MD5, PLACE) for _ in range(3)}) == 3


def test_the_first_key_seals_and_each_opens() -> None:
    sealed = Ha1Keys([OLD]).seal(secret(Algorithm.MD5), Algorithm.MD5, PLACE)

    both = Ha1Keys([NEW, OLD])
    assert both.open(sealed, Algorithm.MD5, PLACE) == secret(Algorithm.MD5)
    assert both.seal(secret(Algorithm.MD5), Algorithm.MD5, PLACE).startswith(f"s1.{key_id(NEW)}.")
    with pytest.raises(CannotOpen, match=key_id(OLD)):
        Ha1Keys([NEW]).open(sealed, Algorithm.MD5, PLACE)


def test_without_a_key_clear_hex_is_kept_and_with_one_it_is_still_read() -> None:
    clear = Ha1Keys().seal(secret(Algorithm.MD5), Algorithm.MD5, PLACE)
    assert clear == secret(Algorithm.MD5)
    assert Ha1Keys([NEW]).open(clear, Algorithm.MD5, PLACE) == clear


def test_the_command_seals_what_is_there_once_and_again_under_a_new_key(
    domain: Domain, actor: Actor, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "BATCH", 2)
    for number in ("1001", "1002", "1003", "1004"):
        extension_create(domain=domain, number=number, password=PASSWORD, actor=actor)

    settings.CREDENTIAL_KEYS = (OLD,)
    assert re.fullmatch(r"4 credentials were encrypted .*\n", seal())
    once = list(Credential.objects.order_by("pk").values_list(*COLUMNS.values()))
    assert seal().startswith("0 credentials")
    assert list(Credential.objects.order_by("pk").values_list(*COLUMNS.values())) == once

    settings.CREDENTIAL_KEYS = (NEW, OLD)
    assert seal().startswith("4 credentials")
    for credential in Credential.objects.all():
        assert opened(credential, NEW) == {each: secret(each, credential.username) for each in Algorithm}
    entries = AuditEntry.objects.filter(action="credentials_seal")
    assert [entry.changes["count"] for entry in entries] == [2, 2, 2, 2]


def test_the_command_without_a_key_is_one_line_and_exit_code_2(db: None) -> None:
    with pytest.raises(CommandError, match="REGISTRAR_CREDENTIAL_KEYS is not set; expected") as refused:
        seal()
    assert refused.value.returncode == 2


def test_what_is_under_a_lost_key_is_counted_and_left_as_it_is(
    domain: Domain, actor: Actor, settings: LazySettings
) -> None:
    settings.CREDENTIAL_KEYS = (OLD,)
    lost = extension_create(domain=domain, number="1001", actor=actor).credential
    settings.CREDENTIAL_KEYS = (NEW,)
    extension_create(domain=domain, number="1002", actor=actor)

    assert missing_keys(Ha1Keys([NEW])) == {key_id(OLD): 1}
    with pytest.raises(CommandError, match=r"0 credentials were encrypted .*1 cannot be read") as refused:
        seal()

    assert refused.value.returncode == 2
    assert Credential.objects.get(pk=lost.pk).ha1_md5 == lost.ha1_md5
    assert missing_keys(Ha1Keys([NEW, OLD])) == {}
