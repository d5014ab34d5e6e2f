"""Dumps and CSV files, as the tools write them and as somebody hostile would."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.extensions.foreign.dumps import read_dump
from apps.extensions.foreign.sources import read_csv
from apps.extensions.foreign.values import UnreadableSource
from tests.extensions.foreign.samples import KAMAILIO_PG, VICIDIAL_MYSQL

MYSQL = "-- MySQL dump 10\nCREATE TABLE `t` (\n  `a` int,\n  `b` text\n);\n"
PG = "-- PostgreSQL database dump\n"
QUICK = settings(max_examples=50)
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)


def rows(dump: str, table: str = "t") -> list[dict[str, str | None]]:
    return [dict(row) for row in read_dump(dump, {table}).get(table, [])]


def refusal(dump: str) -> str:
    """Why the dump is refused, or "" if it is not."""
    try:
        read_dump(dump, {"t"})
    except UnreadableSource as refused:
        return str(refused)
    return ""


def test_copied_rows_of_pg_dump_are_read_and_other_tables_passed_over() -> None:
    tables = read_dump(KAMAILIO_PG, {"subscriber", "address"})

    assert [row["username"] for row in tables["subscriber"]] == ["6001", "6002", "bad\tname", "6004"]
    assert tables["subscriber"][3]["ha1"] is None
    assert [row["mask"] for row in tables["address"]] == ["32", "28", "8"]


def test_rows_of_mysqldump_have_the_names_of_create_table() -> None:
    tables = read_dump(VICIDIAL_MYSQL, {"phones", "vicidial_server_carriers"})

    assert [row["extension"] for row in tables["phones"]] == ["cc100", "cc101", "cc101", "gs102", "ext"]
    assert tables["phones"][0]["fullname"] == "Ann 'A' O'Neil"
    assert tables["phones"][1]["fullname"] == "B; -- x\n"
    assert tables["phones"][3]["fullname"] is None
    assert "[telco]\r\ntype=friend" in str(tables["vicidial_server_carriers"][0]["account_entry"])


@QUICK
@given(TEXT, TEXT)
def test_a_text_of_mysql_comes_back_as_it_was(first: str, second: str) -> None:
    def quoted(text: str) -> str:
        for sign, escape in (("\\", "\\\\"), ("'", "\\'"), ("\n", "\\n"), ("\r", "\\r"), ("\x1a", "\\Z")):
            text = text.replace(sign, escape)
        return f"'{text}'"

    values = [
        f"INSERT INTO `{table}` VALUES ({quoted(first)},{quoted(second)});\n" for table in ("other", "t")
    ]
    dump = MYSQL + "".join(values)

    assert rows(dump) == [{"a": first, "b": second}]


@QUICK
@given(TEXT, TEXT)
def test_a_text_of_postgresql_comes_back_as_it_was(first: str, second: str) -> None:
    plain = [text.replace("'", "''") for text in (first, second)]
    dump = (
        f"{PG}INSERT INTO public.other (a) VALUES ('{plain[1]}');\n"
        f"INSERT INTO public.t (a, b) VALUES ('{plain[0]}', '{plain[1]}');\n"
    )

    assert rows(dump) == [{"a": first, "b": second}]


@QUICK
@given(TEXT)
def test_a_copied_text_comes_back_as_it_was(text: str) -> None:
    escaped = text.replace("\\", "\\\\")
    for sign, escape in (
        ("\n", "\\n"),
        ("\r", "\\r"),
        ("\t", "\\t"),
        ("\b", "\\b"),
        ("\f", "\\f"),
        ("\v", "\\v"),
    ):
        escaped = escaped.replace(sign, escape)

    assert rows(f"{PG}COPY public.t (a, b) FROM stdin;\n{escaped}\t\\N\n\\.\n") == [{"a": text, "b": None}]


@QUICK
@given(st.text(alphabet="-'\"`\\;()/*$eE,\nINSERTtVALUESCOPYstdin#. 01", max_size=120))
def test_whatever_a_dump_holds_it_is_read_or_refused_in_one_line(noise: str) -> None:
    for head in (MYSQL, PG, ""):
        assert "\n" not in refusal(head + noise)


def test_a_statement_in_a_text_is_no_statement() -> None:
    inner = "\n;INSERT INTO t (a) VALUES (1);"
    dump = f"{PG}INSERT INTO x (a) VALUES ('{inner}');\nINSERT INTO t (a) VALUES (2), (NULL);\n"

    assert rows(dump) == [{"a": "2"}, {"a": None}]


@pytest.mark.parametrize(
    ("dump", "says"),
    [
        ("PGDMP\x01", "no plain dump"),
        (f"{MYSQL}INSERT INTO `t` VALUES (1,'", "has no end"),
        (f"{MYSQL}INSERT INTO `t` VALUES (1);", "1 values for 2 columns"),
        (f"{MYSQL}INSERT INTO `t` VALUES (1,sleep(9));", "neither text, number nor NULL"),
        (f"{MYSQL}DELIMITER ;;\nCREATE", "never set back"),
        (f"{PG}INSERT INTO t VALUES (1);", "--column-inserts"),
        (f"{PG}COPY t (a) FROM stdin;\n1\n", "has no end"),
        (f"{PG}COPY t (a) FROM stdin;\n1\t2\n\\.\n", "2 values for 1 columns"),
        (f"{PG}INSERT INTO t (a) SELECT 1;", ""),
        (f"{PG}SET standard_conforming_strings = off;", "standard_conforming_strings"),
    ],
)
def test_what_cannot_be_followed_is_refused(dump: str, says: str) -> None:
    if not says:
        assert rows(dump) == []
        return
    with pytest.raises(UnreadableSource, match=says):
        read_dump(dump, {"t"})


@pytest.mark.parametrize("noise", ["'", "(", "\\'", "$a", "$a ", "-", "/*", "/* ", "E'", "`", '"'])
@pytest.mark.parametrize("head", [MYSQL, PG])
def test_what_never_ends_is_refused_without_looking_at_it_again_and_again(head: str, noise: str) -> None:
    assert "has no end" in refusal(f"{head}INSERT INTO x VALUES ({noise * 100_001}")


def test_csv_is_read_with_line_breaks_and_nulls() -> None:
    assert read_csv('Extension,conf_secret\r\n"a\nb",NULL\n\\N,"x,y"\n\n', "phones") == [
        {"extension": "a\nb", "conf_secret": None},
        {"extension": None, "conf_secret": "x,y"},
    ]


@pytest.mark.parametrize("text", ["", "a,a\n1,2\n", "a,b\n1\n", 'a\n"x', "a\n" + "x" * 200_000])
def test_csv_with_a_fault_is_refused(text: str) -> None:
    with pytest.raises(UnreadableSource):
        read_csv(text, "phones")
