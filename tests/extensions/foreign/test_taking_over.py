"""Taking over another product's directory: the diff, what is refused and why, and that a second run changes nothing."""

import io
from pathlib import Path

import psycopg
import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from django.db import connection

from apps.extensions.audit import Actor
from apps.extensions.models import (
    AuditEntry,
    Credential,
    DigestOrder,
    Domain,
    Extension,
    Peer,
    TrustedAddress,
)
from apps.extensions.services import (
    extension_create,
    extension_update,
    peer_create,
    trunk_create,
    trusted_address_add,
)
from apps.sip.digest import Algorithm, ha1
from tests.extensions.foreign.conftest import SUBSCRIBERS, Import, kept
from tests.extensions.foreign.samples import GOOD, KAMAILIO_PG, hashed
from tests.trunks.conftest import register

NOWHERE = ["127.0.0.1", "0.0.0.0/0", "224.0.0.1", "::1", "sip.example.com", "1.2.3.4.5", "::%eth0"]


def everything() -> list[object]:
    models = (Domain, Extension, Peer, Credential, TrustedAddress, AuditEntry)
    return [list(model.objects.order_by("pk").values()) for model in models]


def test_a_dry_run_says_what_would_be_and_changes_nothing(run: Import, md5_domain: Domain) -> None:
    before = everything()

    lines = run("kamailio", "", KAMAILIO_PG)

    assert lines == [
        "create extension 6001 in example.com",
        "create extension 6002 in example.com: weak password: one of those tried first",
        "conflict extension bad�name in example.com: number: Use 1 to 64 letters, digits or . _ - + * ~ ! and no "
        "spaces: it becomes part of a SIP address.",
        "conflict extension 6004 in example.com: it has no password, nor a hash of one",
        "create trunk Big-Carrier in example.com",
        "create address Big-Carrier in example.com: 198.51.100.7/32 port 5060",
        "create address Big-Carrier in example.com: 198.51.100.16/28",
        "conflict address inner in example.com: 10.0.0.0/8 trusts 16,777,216 addresses. Add it by hand if all of them "
        "are the carrier's.",
    ]
    assert run.summary == "5 create, 0 change, 0 same, 3 conflict. Nothing was changed: add --apply."
    assert everything() == before


def test_hashes_are_taken_over_so_that_no_phone_needs_a_new_password(run: Import, md5_domain: Domain) -> None:
    run("kamailio", "", KAMAILIO_PG, "--apply")

    assert kept("6001").ha1_md5 == hashed("6001")
    assert set(TrustedAddress.objects.values_list("port", flat=True)) == {5060, None}
    entry = AuditEntry.objects.get(action="extension_create", target_label="6001")
    assert (entry.actor_name, entry.changes["imported"]) == ("import_from", "kamailio")


def test_a_second_run_changes_nothing(run: Import, md5_domain: Domain) -> None:
    run("kamailio", "", KAMAILIO_PG, "--apply")
    before = everything()

    lines = run("kamailio", "", KAMAILIO_PG, "--apply")

    assert run.summary == "0 create, 0 change, 4 same, 3 conflict."
    assert not [line for line in lines if line.startswith(("create", "change"))]
    assert everything() == before


def test_where_sha_256_is_asked_an_md5_hash_alone_is_no_good(run: Import, domain: Domain) -> None:
    row = f"{SUBSCRIBERS}6001,example.com,,{hashed('6001')}\n"

    assert run("kamailio", "subscriber", row) == [
        "conflict extension 6001 in example.com: only its MD5 hash is known, and example.com asks for SHA-256 first: "
        "add --md5-only"
    ]
    assert run("kamailio", "subscriber", row, "--md5-only") == [
        "change domain example.com: digest strongest_first -> md5_only: of some passwords only that hash is known",
        "create extension 6001 in example.com",
    ]


def test_md5_only_is_done_with_the_users_it_is_for(run: Import, domain: Domain) -> None:
    run(
        "kamailio",
        "subscriber",
        f"{SUBSCRIBERS}6001,example.com,,{hashed('6001')}\n",
        "--md5-only",
        "--apply",
    )
    domain.refresh_from_db()

    assert domain.digest_order == DigestOrder.MD5_ONLY
    assert kept("6001").ha1_sha256 != ha1(Algorithm.SHA256, "6001", "example.com", GOOD)


def test_a_clear_password_becomes_all_three_hashes_and_is_nowhere(run: Import, domain: Domain) -> None:
    lines = run("kamailio", "subscriber", f"{SUBSCRIBERS}6001,example.com,{GOOD},\n", "--apply")

    credential = kept("6001")
    assert credential.ha1_sha256 == ha1(Algorithm.SHA256, "6001", "example.com", GOOD)
    assert credential.ha1_md5 == hashed("6001")
    assert GOOD not in "".join(lines) + run.summary + str(everything())


def test_hashes_are_sealed_where_the_site_has_a_key(
    run: Import, md5_domain: Domain, settings: LazySettings
) -> None:
    settings.CREDENTIAL_KEYS = [b"k" * 32]
    row = f"{SUBSCRIBERS}6001,example.com,,{hashed('6001')}\n"

    run("kamailio", "subscriber", row, "--apply")

    assert kept("6001").ha1_md5.startswith("s1.")
    assert run("kamailio", "subscriber", row) == ["same extension 6001 in example.com"]


def test_a_hash_of_another_realm_is_refused_with_both(run: Import, md5_domain: Domain) -> None:
    row = f"{SUBSCRIBERS}6001,old.example,,{hashed('6001', 'old.example')}\n"

    assert run("kamailio", "subscriber", row, "--domain", "example.com") == [
        "conflict extension 6001 in example.com: its hash was made for the realm 'old.example', and example.com has "
        "'example.com'"
    ]


def test_a_missing_domain_is_made_only_when_asked_with_the_realm_told(run: Import, domain: Domain) -> None:
    assert run("kamailio", "subscriber", f"{SUBSCRIBERS}6001,new.example,{GOOD},\n") == [
        "conflict extension 6001 in new.example: there is no domain 'new.example' here (--create-domains makes it)"
    ]
    args = ("--create-domains", "--realm", "asterisk", "--domain", "new.example", "--md5-only")
    row = f"{SUBSCRIBERS}6001,x,,{hashed('6001', 'asterisk')}\n"

    lines = run("kamailio", "subscriber", row, *args)
    assert run("kamailio", "subscriber", row, *args, "--apply") == lines

    assert lines[0] == "create domain new.example: realm asterisk"
    assert Domain.objects.get(name="new.example").realm == "asterisk"
    assert run("kamailio", "subscriber", row, *args) == ["same extension 6001 in new.example"]


@pytest.mark.parametrize("name", ["a b", "-", "x" * 300, "évil"])
def test_a_domain_that_can_be_none_is_a_conflict_in_a_dry_run_too(
    run: Import, domain: Domain, name: str
) -> None:
    for more in ((), ("--apply",)):
        (line,) = run(
            "kamailio", "subscriber", f'{SUBSCRIBERS}1,"{name}",{GOOD},\n', "--create-domains", *more
        )
        assert line.startswith("conflict")


@pytest.mark.parametrize(
    ("password", "says"),
    [
        ("6001", "the number itself"),
        ("1234", "tried first"),
        ("test", "tried first"),
        ("aaaaaaaa", "too short or easy"),
        ("short", "too short or easy"),
        (GOOD, ""),
    ],
)
def test_weak_passwords_are_flagged_in_the_clear_and_as_hashes(
    run: Import, md5_domain: Domain, password: str, says: str
) -> None:
    clear = run("kamailio", "subscriber", f"{SUBSCRIBERS}6001,example.com,{password},\n")
    as_hash = run(
        "kamailio", "subscriber", f"{SUBSCRIBERS}6001,example.com,,{hashed('6001', password=password)}\n"
    )

    assert clear[0].startswith("create")
    assert says in clear[0]
    assert ("weak" in clear[0]) == bool(says)
    assert ("weak" in as_hash[0]) == ("easy" not in says and bool(says))


def test_weak_passwords_can_be_left_out(run: Import, domain: Domain) -> None:
    (line,) = run(
        "kamailio", "subscriber", f"{SUBSCRIBERS}6001,example.com,6001,\n", "--refuse-weak", "--apply"
    )

    assert line.startswith("conflict")
    assert not Extension.objects.exists()


def test_what_is_here_is_same_changed_or_in_conflict(run: Import, domain: Domain, actor: Actor) -> None:
    for number, password in (("201", GOOD), ("202", GOOD), ("203", "Anders-als-71"), ("204", GOOD)):
        new = extension_create(
            domain=domain, number=number, display_name="Ada", password=password, actor=actor
        )
    assert new.peer.extension is not None
    peer_create(extension=new.peer.extension, name="205", actor=actor)
    extension_create(domain=domain, number="206", username="seven", actor=actor)
    extension_update(extension=new.peer.extension, actor=actor, enabled=False)
    rows = "extension,password,user_context,effective_caller_id_name,enabled\n" + "".join(
        f"{number},{GOOD},example.com,{name},true\n"
        for number, name in (
            ("201", "Ada"),
            ("202", "Bea"),
            ("203", "Ada"),
            ("204", ""),
            ("205", ""),
            ("206", ""),
            ("seven", ""),
        )
    )

    lines = run("fusionpbx", "v_extensions", rows, "--apply")

    assert [line.removeprefix("conflict ").partition(": ")[0] for line in lines] == [
        "same extension 201 in example.com",
        "change extension 202 in example.com",
        *[f"extension {number} in example.com" for number in ("203",)],
        "same extension 204 in example.com",
        *[f"extension {number} in example.com" for number in ("205", "206", "seven")],
    ]
    assert "another password here" in lines[2]
    assert "disabled here" in lines[3]
    assert "name of a SIP peer" in lines[4]
    assert "another user name" in lines[5]
    assert "belongs to another" in lines[6]
    assert list(Extension.objects.values_list("display_name", flat=True)) == ["Ada", "Bea", "Ada", "Ada", ""]
    assert "change" not in "".join(run("fusionpbx", "v_extensions", rows))


def test_the_same_user_twice_is_the_same_or_a_conflict(run: Import, domain: Domain) -> None:
    rows = f"{SUBSCRIBERS}1,example.com,{GOOD},\n1,example.com,{GOOD},\n1,example.com,Anders-als-71,\n"

    for more in ((), ("--apply",)):
        lines = run("kamailio", "subscriber", rows, *more)
        assert [line.split()[0] for line in lines] == ["create", "same", "conflict"]


def test_a_password_and_a_hash_that_disagree_are_a_conflict(run: Import, domain: Domain) -> None:
    (line,) = run(
        "kamailio", "subscriber", f"{SUBSCRIBERS}1,example.com,{GOOD},{hashed('1', password='x')}\n"
    )

    assert "not of each other" in line


@pytest.mark.parametrize("network", NOWHERE)
def test_an_address_no_carrier_has_is_a_conflict(run: Import, domain: Domain, network: str) -> None:
    lines = run("kamailio", "trusted", f"src_ip,proto,tag\n{network},any,telco\n", "--apply")

    assert len(lines) == 1
    assert lines[0].startswith("conflict")
    assert not Peer.objects.exists()


def test_an_address_of_another_trunk_is_a_conflict_and_host_bits_are_dropped(
    run: Import, domain: Domain, actor: Actor
) -> None:
    other = trunk_create(domain=domain, name="other", actor=actor)
    trusted_address_add(trunk=other, network="198.51.100.0/28", actor=actor)
    rows = "grp,ip_addr,mask,port,tag\n1,198.51.100.5,28,0,telco\n1,192.0.2.1,32,0,other\n"

    lines = run("kamailio", "address", rows)

    assert lines == [
        "conflict address telco in example.com: 198.51.100.5/28: the trunk other is trusted from there",
        "create address other in example.com: 192.0.2.1/32",
    ]


def test_an_address_phones_are_registered_from_is_a_conflict(
    run: Import, domain: Domain, actor: Actor
) -> None:
    phone = extension_create(domain=domain, number="1001", actor=actor).peer
    register(phone, "192.0.2.1")

    lines = run(
        "kamailio", "trusted", "src_ip,proto,tag\n192.0.2.1,any,telco\n192.0.2.2,any,telco\n", "--apply"
    )

    assert [line.split()[0] for line in lines] == ["create", "conflict", "create"]
    assert "1001 is registered from 192.0.2.1" in lines[1]
    assert [str(one.network) for one in TrustedAddress.objects.all()] == ["192.0.2.2/32"]


def test_a_trunk_is_not_made_of_a_device_or_an_extension(run: Import, domain: Domain, actor: Actor) -> None:
    extension = extension_create(domain=domain, number="telco", actor=actor).peer.extension
    assert extension is not None
    peer_create(extension=extension, name="desk", actor=actor)

    lines = run(
        "kamailio", "trusted", "src_ip,proto,tag\n192.0.2.1,any,telco\n192.0.2.2,any,desk\n", "--apply"
    )

    assert ["device" in line or "extension" in line for line in lines] == [True, True]


def test_a_database_is_read_and_left_as_it_was(run: Import, md5_domain: Domain, tmp_path: Path) -> None:
    settings = connection.settings_dict
    url = (
        f"postgresql://{settings['USER']}@/{settings['NAME']}?host={settings['HOST']}&port={settings['PORT']}"
    )
    with psycopg.connect(url, autocommit=True) as other:
        other.execute(
            "CREATE TABLE IF NOT EXISTS subscriber (username text, domain text, password text, ha1 text)"
        )
        other.execute("INSERT INTO subscriber VALUES ('6001', 'example.com', '', %s)", [hashed("6001")])
    out = io.StringIO()
    try:
        call_command("import_from", "kamailio", url, stdout=out, stderr=io.StringIO())
    finally:
        with psycopg.connect(url, autocommit=True) as other:
            other.execute("DROP TABLE subscriber")

    assert "extension 6001 in example.com" in out.getvalue()


@pytest.mark.parametrize(
    ("sources", "says"),
    [
        (["/nowhere/dump.sql"], "No such file"),
        (["subscriber=/nowhere/x.csv"], "No such file"),
        (["phones.csv"], "TABLE=FILE.csv"),
        (["phones=x.csv"], "none of its tables"),
        (["mysql://root:hush@db/kamailio"], "give a mysqldump"),
        (["postgresql://kam:hush@127.0.0.1:1/kamailio"], "cannot be read"),
        (["{folder}/binary"], "not text in UTF-8"),
        (["{folder}/empty.sql"], "no plain dump"),
        (["{folder}/nothing.sql"], "none of the tables"),
        (["subscriber={folder}/one", "subscriber={folder}/one"], "there twice"),
    ],
)
def test_a_source_that_cannot_be_read_is_one_line_and_no_secret(
    domain: Domain, tmp_path: Path, sources: list[str], says: str
) -> None:
    (tmp_path / "binary").write_bytes(b"PGDMP\xff\xfe\x00")
    (tmp_path / "empty.sql").write_text("")
    (tmp_path / "nothing.sql").write_text("-- MySQL dump 10\nSELECT 1;\n")
    (tmp_path / "one").write_text("username\nx\n")

    with pytest.raises(CommandError, match=says) as refused:
        call_command("import_from", "kamailio", *[source.format(folder=tmp_path) for source in sources])

    assert refused.value.returncode == 2
    assert "\n" not in str(refused.value)
    assert "hush" not in str(refused.value)


def test_hostile_names_obey_nobody(run: Import, domain: Domain) -> None:
    rows = f'{SUBSCRIBERS}"\x1b[31m<b>\u202e\',1","example.com",{GOOD},\n'

    (line,) = run("kamailio", "subscriber", rows, "--apply")

    assert line.startswith("conflict extension �[31m<b>�")
    assert not Extension.objects.exists()


def test_many_users_are_written_in_batches(
    run: Import, domain: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.extensions.foreign.services.BATCH", 10)
    rows = SUBSCRIBERS + "".join(f"{number},example.com,{GOOD},\n" for number in range(1000, 1025))

    run("kamailio", "subscriber", rows, "--apply")

    assert run.summary == "25 create, 0 change, 0 same, 0 conflict."
    assert Extension.objects.count() == 25
