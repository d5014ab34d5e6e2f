"""CSV import: all or none, every fault by its line, limits before anything is split."""

import csv
import io
import json
import tracemalloc
from pathlib import Path

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django import DjangoAssertNumQueries

from apps.extensions import importing
from apps.extensions.audit import Actor
from apps.extensions.csv_rows import MAX_BYTES, MAX_ROWS, UnreadableFile, read_rows
from apps.extensions.importing import ImportRefused, extensions_import
from apps.extensions.models import AuditEntry, Credential, Domain, Extension, Peer
from apps.extensions.services import domain_create, extension_create, peer_create
from apps.sip.digest import Algorithm, ha1

HEADER = "extension,display_name,username,password,domain,enabled\n"


def run(data: bytes | str, tmp_path: Path, *args: str) -> tuple[str, str]:
    file = tmp_path / "phones.csv"
    file.write_bytes(data.encode() if isinstance(data, str) else data)
    out, err = io.StringIO(), io.StringIO()
    call_command("import_extensions", str(file), *args, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def faults(data: bytes | str, actor: Actor) -> list[str]:
    with pytest.raises(ImportRefused) as refused:
        extensions_import(data=data.encode() if isinstance(data, str) else data, actor=actor)
    return [str(fault) for fault in refused.value.faults]


def unreadable(data: bytes) -> str:
    with pytest.raises(UnreadableFile) as refused:
        read_rows(data)
    return str(refused.value)


def nothing_is_there() -> bool:
    return not any(model.objects.exists() for model in (Extension, Peer, Credential))


def test_a_row_becomes_what_the_service_would_make(domain: Domain, actor: Actor) -> None:
    extension_create(
        domain=domain,
        number="1",
        display_name="Ada",
        username="ada",
        password="k8-Fuchsbau-71",
        actor=actor,
        enabled=False,
    )
    extensions_import(data=(HEADER + "2,Ada,ada2,k8-Fuchsbau-71,example.com,no\n").encode(), actor=actor)
    one, two = Extension.objects.order_by("number")
    for name in ("display_name", "enabled", "domain"):
        assert getattr(one, name) == getattr(two, name)
    for name in ("kind", "enabled", "max_contacts", "when_full", "min_expires_s", "max_expires_s"):
        assert getattr(one.peers.get(), name) == getattr(two.peers.get(), name)
    credential = two.peers.get().credentials.get()
    assert credential.ha1_md5 == ha1(Algorithm.MD5, "ada2", "example.com", "k8-Fuchsbau-71")
    assert credential.ha1_sha256 == ha1(Algorithm.SHA256, "ada2", "example.com", "k8-Fuchsbau-71")
    for entity in (one, one.peers.get()):
        twin = two if isinstance(entity, Extension) else two.peers.get()
        entries = [AuditEntry.objects.get(target_id=target.pk) for target in (entity, twin)]
        assert entries[0].action == entries[1].action
        assert {**entries[0].changes, "imported": True} == entries[1].changes | (
            {"username": "ada"} if "username" in entries[0].changes else {}
        )


def test_generated_passwords_are_printed_once_as_csv(domain: Domain, tmp_path: Path) -> None:
    out, err = run("extension,password\n1001,\n1002,k8-Fuchsbau-71\n", tmp_path)
    (row,) = csv.DictReader(io.StringIO(out))
    assert (row["extension"], row["username"], row["domain"]) == ("1001", "1001", "example.com")
    credential = Credential.objects.get(username="1001")
    assert credential.ha1_md5 == ha1(Algorithm.MD5, "1001", "example.com", row["password"])
    assert "Fuchsbau" not in out + err
    assert "2 extensions were created." in err


def test_the_shortest_file_and_excels_way_of_writing_are_read(domain: Domain, tmp_path: Path) -> None:
    run(
        b'\xef\xbb\xbfExtension , Display_Name\r\n1001,"Lovelace, ""Ada"""\r\n\r\n1002,J\xc3\xbcrgen\r\n',
        tmp_path,
    )
    names = list(Extension.objects.order_by("number").values_list("number", "display_name"))
    assert names == [("1001", 'Lovelace, "Ada"'), ("1002", "Jürgen")]


def test_a_dry_run_says_what_would_be_and_changes_nothing(domain: Domain, tmp_path: Path) -> None:
    before = AuditEntry.objects.count()
    out, err = run("extension,username\n1001,ada\n", tmp_path, "--dry-run")
    assert out == "would create 1001 in example.com, user name ada\n"
    assert "Nothing was changed" in err
    assert nothing_is_there()
    assert AuditEntry.objects.count() == before


def test_every_fault_is_named_with_line_and_field_and_nothing_is_made(domain: Domain, actor: Actor) -> None:
    peer = extension_create(domain=domain, number="1001", actor=actor).peer
    assert peer.extension is not None
    peer_create(extension=peer.extension, name="desk", username="deskuser", actor=actor)
    before = AuditEntry.objects.count()
    text = HEADER + "\n".join(
        [
            "1001,,,,,",  # 2
            "desk,,,,,",
            "10 02,,,,,",
            "1003,,deskuser,,,",
            "1004,,,short,,",  # 6
            "1005,,,,nowhere.example,",
            "1006,,,,,maybe",
            "1007,,,,",
            '1008,"Ada,,,,',  # 10
            "1009,,,,,",
            "1009,,,,,",
            "1010,,1009,,,",
            f"1011,{'x' * 200},,,,",
            f"1012,{'x' * 300},,,,",
            "1013,a\tb,,,,",
            "1014,\u202egpj.exe,,,,",
            ",,,,,",  # 18
            "1015,,a b,,,",
        ]
    )
    found = faults(text, actor)
    assert [line.split(": ")[:2] for line in found] == [
        ["line 2", "extension"],
        ["line 3", "extension"],
        ["line 4", "extension"],
        ["line 5", "username"],
        ["line 6", "password"],
        ["line 7", "domain"],
        ["line 8", "enabled"],
        ["line 9", "has 5 cells, the header has 6."],
        ["line 10", "a quote is opened and not closed, or stands inside a cell without being doubled."],
        ["line 12", "extension"],
        ["line 13", "username"],
        ["line 14", "display_name"],
        ["line 15", "display_name"],
        ["line 16", "display_name"],
        ["line 17", "display_name"],
        ["line 18", "extension"],
        ["line 19", "username"],
    ]
    assert "exists already" in found[0]
    assert "line 11" in found[9]
    assert Extension.objects.count() == 1
    assert AuditEntry.objects.count() == before


def test_the_command_shows_a_hundred_faults_and_counts_the_rest(domain: Domain, tmp_path: Path) -> None:
    file = tmp_path / "bad.csv"
    file.write_text("extension\n" + "".join(f"a {number}\n" for number in range(150)))
    err = io.StringIO()
    with pytest.raises(CommandError, match=r"Nothing was imported\.") as refused:
        call_command("import_extensions", str(file), stderr=err)
    assert refused.value.returncode == 2
    assert sum(line.startswith("line ") for line in err.getvalue().splitlines()) == 100
    assert "and 50 more faults." in err.getvalue()
    assert nothing_is_there()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "header is missing"),
        (b"\n\n", "header is missing"),
        (b"extension;password\n1;2\n", "commas"),
        (b"extension,ha1\n", "unknown column 'ha1'"),
        (b"display_name\n", "extension is missing"),
        (b"extension,extension\n", "twice"),
        (b'"extension\n1\n', "quote"),
        (b"exten\x00sion\n", "unknown column"),
        (b"extension\n1001\nJ\xfcrgen\n", "line 3: is not UTF-8"),
        ("extension\n1\n".encode("utf-16"), "not a text file"),
        (b"PK\x03\x04zipped", "zipped"),
        (b"extension\n" + b"1" * 5000, "line 2: is longer"),
        (b"extension\n" + b"," * 10_000_000, "line 2: is longer"),
        (b"x" * (MAX_BYTES + 1), "larger than 20 MB"),
        (b"extension\n" + b"1\n" * (MAX_ROWS + 1), "more than 50,000 rows"),
    ],
)
def test_f53_a_file_that_is_no_list_of_extensions_is_refused_as_a_whole(data: bytes, says: str) -> None:
    assert says in unreadable(data)


def test_a_file_without_rows_is_refused(domain: Domain, actor: Actor) -> None:
    with pytest.raises(UnreadableFile, match="no rows"):
        extensions_import(data=b"extension\n\n", actor=actor)


def test_f53_a_bomb_costs_little_memory() -> None:
    bomb = b"extension\n" + b"ab," * (MAX_BYTES // 3 - 10)
    tracemalloc.start()
    try:
        unreadable(bomb)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 250_000_000


def test_f53_an_endless_file_is_not_read_to_its_end(db: None) -> None:
    with pytest.raises(CommandError, match="larger than"):
        call_command("import_extensions", "/dev/zero")


def test_a_file_that_is_not_there_is_one_line(db: None, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="No such file") as refused:
        call_command("import_extensions", str(tmp_path / "none.csv"))
    assert refused.value.returncode == 2


def test_with_several_domains_each_row_says_which(domain: Domain, actor: Actor) -> None:
    domain_create(name="example.net", actor=actor)
    assert faults("extension,domain\n1001,\n", actor) == [
        "line 2: domain: is needed: 2 domains are served here."
    ]
    extensions_import(data=b"extension,domain\n1001,example.com\n1001,EXAMPLE.net.\n", actor=actor)
    assert Extension.objects.filter(number="1001").count() == 2


def test_ten_thousand_rows_take_few_queries(
    domain: Domain, actor: Actor, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    text = "extension,display_name\n" + "".join(
        f"{number},Phone {number}\n" for number in range(10_000, 20_000)
    )
    with django_assert_max_num_queries(80):
        imported = extensions_import(data=text.encode(), actor=actor)
    assert len({row.password for row in imported}) == 10_000
    assert Credential.objects.count() == Peer.objects.count() == 10_000
    assert AuditEntry.objects.filter(action="extension_create").count() == 10_000


@pytest.mark.django_db(transaction=True)
def test_the_notice_comes_with_the_commit_or_not_at_all(
    actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    domain_create(name="example.com", actor=actor)
    settings = connection.settings_dict
    listener = psycopg.connect(
        host=settings["HOST"],
        port=settings["PORT"],
        user=settings["USER"],
        password=settings["PASSWORD"],
        dbname=settings["NAME"],
        autocommit=True,
    )
    listener.execute("LISTEN directory_changed")
    with monkeypatch.context() as patch:
        patch.setattr(importing, "_entries", lambda *args: [AuditEntry(via="x" * 99)])
        with pytest.raises(Exception, match="too long"):
            extensions_import(data=b"extension\n1\n2\n", actor=actor)
    assert nothing_is_there()
    extensions_import(data=b"extension\n3\n4\n", actor=actor)
    (notice,) = listener.notifies(timeout=5, stop_after=1)
    assert set(json.loads(notice.payload)) == {peer.pk.hex for peer in Peer.objects.all()}
    assert list(listener.notifies(timeout=0.05)) == []
    listener.close()
