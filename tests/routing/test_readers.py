"""Roles of other products: made with a password shown once, able to read their views and nothing else."""

import base64
import hashlib
import hmac
import io

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import ProgrammingError, connection, transaction

from apps.extensions.audit import Actor
from apps.extensions.models import AuditEntry, Domain
from apps.extensions.services import domain_create
from apps.routing.models import PbxKind, PbxReader
from apps.routing.pbx.services import contact_index_exists, pbx_reader_create, pbx_reader_delete
from tests.routing.conftest import Pbx, bind, new_device, new_pbx

TABLES = """
SELECT format('%I.%I', schemaname, name) FROM (
    SELECT schemaname, tablename AS name FROM pg_tables UNION ALL SELECT schemaname, viewname FROM pg_views
) AS all_of_them WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
"""
GRANTED = """
SELECT count(*) FROM information_schema.role_table_grants WHERE table_schema = %s AND grantee <> current_user
"""
SETTINGS = """
SELECT array_to_string(setconfig, ' ') FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = setrole WHERE rolname = %s
"""
VERIFIER = "SELECT rolpassword FROM pg_authid WHERE rolname = %s"


def run(*args: str) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command("pbx_reader", *args, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def refused(*args: str) -> str:
    with pytest.raises(CommandError) as error:
        run(*args)
    assert error.value.returncode == 2
    assert "\n" not in str(error.value)
    return str(error.value)


def value(statement: str, *params: str) -> object:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        row = cursor.fetchone()
    return row[0] if row else None


@pytest.mark.parametrize("kind", PbxKind)
def test_a_reader_can_read_its_views_and_nothing_else(kind: PbxKind, domain: Domain, actor: Actor) -> None:
    reader = new_pbx(kind, domain, actor)
    with connection.cursor() as cursor:
        cursor.execute(TABLES)
        tables = [name for (name,) in cursor.fetchall()]

    for table in tables:
        if table.startswith(f"{kind.value}."):
            reader.ask(f"SELECT * FROM {table}")
        else:
            with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
                reader.ask(f"SELECT * FROM {table}")
    assert any(table.endswith("registrar_binding") for table in tables)


def test_the_function_behind_the_views_shows_a_reader_its_own_and_others_nothing(
    kamailio: Pbx, domain: Domain, actor: Actor
) -> None:
    peer = new_device(domain, "6001", actor)
    bind(peer)
    stranger = new_pbx(PbxKind.KAMAILIO, domain_create(name="example.net", actor=actor), actor)
    asked = "SELECT contact FROM public.routing_bindings('sip:6001@example.com')"
    forged = (
        "CREATE TEMP TABLE routing_pbxreader AS SELECT session_user::text AS role, NULL::uuid AS domain_id"
    )

    assert len(kamailio.ask(asked)) == 1
    assert stranger.ask(asked) == []
    stranger.ask(forged)
    assert stranger.ask(asked) == []


def test_until_a_reader_is_made_nobody_may_read_a_view(db: None) -> None:
    assert [value(GRANTED, kind.value) for kind in PbxKind] == [0, 0, 0]


def test_the_index_for_asterisk_is_there_while_one_reads(domain: Domain, actor: Actor) -> None:
    assert not contact_index_exists()
    first, second = new_pbx(PbxKind.ASTERISK, domain, actor), new_pbx(PbxKind.ASTERISK, domain, actor)
    new_pbx(PbxKind.KAMAILIO, domain, actor)

    pbx_reader_delete(reader=first.reader, actor=actor)
    assert contact_index_exists()
    pbx_reader_delete(reader=second.reader, actor=actor)
    assert not contact_index_exists()


def test_the_password_is_printed_once_and_kept_as_a_verifier(domain: Domain) -> None:
    out, err = run("create", "pbx1", "--for", "asterisk", "--domain", "example.com", "--with-hashes")
    password = out.removesuffix("\n")

    assert len(password) == 20
    assert "pbx1 reads the views" in err
    assert str(value(VERIFIER, "pbx1")).startswith("SCRAM-SHA-256$")
    entry = AuditEntry.objects.get(action="pbx_reader_create")
    assert password not in str(entry.changes)
    assert run("list")[0] == "pbx1  asterisk  example.com  with hashes\n"


def test_a_new_password_takes_the_place_of_the_old(domain: Domain) -> None:
    run("create", "pbx1", "--for", "kamailio")
    before = value(VERIFIER, "pbx1")

    assert len(run("rotate", "pbx1")[0].strip()) == 20
    assert value(VERIFIER, "pbx1") != before


def test_rotating_makes_a_role_that_a_restored_dump_has_not(domain: Domain) -> None:
    run("create", "pbx1", "--for", "kamailio")
    with connection.cursor() as cursor:
        cursor.execute("DROP OWNED BY pbx1; DROP ROLE pbx1")

    run("rotate", "pbx1")

    assert value("SELECT has_table_privilege('pbx1', 'kamailio.location', 'SELECT')") is True


def test_dropping_takes_the_role_too(domain: Domain) -> None:
    run("create", "pbx1", "--for", "kamailio")

    run("drop", "pbx1")

    assert value("SELECT rolname FROM pg_roles WHERE rolname = 'pbx1'") is None
    assert not PbxReader.objects.exists()


def test_a_role_an_administrator_made_may_read_and_is_left_as_it_was(domain: Domain) -> None:
    reads = "SELECT has_table_privilege('theirs', 'kamailio.location', 'SELECT')"
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE theirs LOGIN PASSWORD 'x'")
    before = value(VERIFIER, "theirs")

    assert run("create", "theirs", "--for", "kamailio", "--role-exists")[0] == ""
    assert run("rotate", "theirs")[0] == ""
    assert value(reads) is True
    run("drop", "theirs")

    assert value(reads) is False
    assert value(VERIFIER, "theirs") == before


def test_an_account_that_may_make_no_role_is_told_what_to_do(domain: Domain, actor: Actor) -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE modest; GRANT ALL ON routing_pbxreader, extensions_auditentry TO modest")
        cursor.execute("SET LOCAL ROLE modest")

    with pytest.raises(ValidationError, match="Let an administrator"), transaction.atomic():
        pbx_reader_create(reader=PbxReader(role="pbx1", kind=PbxKind.KAMAILIO), actor=actor)


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("create", "pbx1", "--for", "asterisk"), "Asterisk needs one"),
        (("create", "pbx1", "--for", "asterisk", "--domain", "nowhere.example"), "no domain"),
        (("create", 'x"; DROP TABLE y', "--for", "kamailio"), "Use lower-case letters"),
        (("create", "pg_read_all_data", "--for", "kamailio"), "Use lower-case letters"),
        (("create", "pbx1", "--for", "kamailio", "--time-zone", "Mars/Base"), "no time zone"),
        (("create", "pbx1", "--for", "kamailio", "--outbound-proxy", "x\ny"), "Give a SIP URI"),
        (("create", "pbx1", "--for", "kamailio", "--context", "a b"), "Use letters"),
        (("create", "pbx1", "--for", "kamailio", "--role-exists"), "no such role"),
        (("create", "registrar", "--for", "kamailio"), "exists already"),
        (("rotate", "pbx1"), "There is no reader"),
        (("drop", "pbx1"), "There is no reader"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(domain: Domain, args: tuple[str, ...], says: str) -> None:
    assert says in refused(*args)
    assert not PbxReader.objects.exists()


def test_a_reader_of_asterisk_without_its_index_is_told_in_the_list(asterisk: Pbx) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX binding_by_asterisk_id")

    assert "its index is missing" in run("list")[0]


def test_a_reader_logs_in_with_what_was_printed(domain: Domain) -> None:
    password = run("create", "pbx1", "--for", "kamailio", "--time-zone", "Europe/Berlin")[0].strip()
    kept = str(value(VERIFIER, "pbx1"))
    assert value(SETTINGS, "pbx1") == "search_path=kamailio TimeZone=Europe/Berlin"
    assert verifies(password, kept)


def verifies(password: str, kept: str) -> bool:
    """Whether a SCRAM verifier is this password's (RFC 5803)."""
    _, counted, keys = kept.split("$")
    rounds, salt = counted.split(":")
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(rounds))
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    return base64.b64encode(hashlib.sha256(client_key).digest()).decode() == keys.split(":")[0]
