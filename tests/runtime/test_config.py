"""The environment table: what each name accepts, what a wrong value says, and that the documents list the same."""

from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest

from registrar_admin.config import (
    PROJECT_DIR,
    ConfigError,
    database_settings,
    ensure_secret_key,
    load_config,
)
from registrar_admin.variables import VARIABLE_NAMES, VARIABLES

CREDENTIAL_KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHv8="
KEY = "k3y-of-a-test-that-is-long-enough-0123456789"


def test_an_empty_environment_gives_the_documented_defaults() -> None:
    config = load_config({})

    assert config.data_dir == PROJECT_DIR / "var"
    assert config.database_is_embedded
    assert (config.http_host, config.http_port) == ("127.0.0.1", 8000)
    assert (config.sip_host, config.sip_port) == ("0.0.0.0", 5060)
    assert config.sip_workers in {1, 2}
    assert config.ledger_days == 90
    assert config.admin_user == "admin"
    assert config.debug is False


def test_tls_is_off_until_it_has_an_address() -> None:
    assert load_config({}).sips is None
    assert load_config({"REGISTRAR_SIPS": "[::]:5061"}).sips == ("::", 5061)


def test_a_certificate_needs_its_key_and_both_may_be_relative_to_the_project() -> None:
    given = {"REGISTRAR_TLS_CERTIFICATE": "tls/chain.pem", "REGISTRAR_TLS_KEY": "/etc/key.pem"}
    config = load_config(given)
    assert (config.tls_certificate, config.tls_key) == (PROJECT_DIR / "tls/chain.pem", Path("/etc/key.pem"))
    for name in given:
        with pytest.raises(ConfigError, match="is not set"):
            load_config({name: given[name]})


def test_an_empty_value_counts_as_unset() -> None:
    config = load_config({"REGISTRAR_HTTP": "", "DATABASE_URL": " ", "REGISTRAR_DOMAIN": ""})

    assert config.http_port == 8000
    assert config.database_is_embedded
    assert config.domain is None


def test_an_ipv6_address_is_written_in_brackets() -> None:
    config = load_config({"REGISTRAR_SIP": "[::]:5060", "REGISTRAR_HTTP": "[::1]:8080"})

    assert (config.sip_host, config.sip_port) == ("::", 5060)
    assert config.http_url == "http://[::1]:8080"
    assert config.sip_websocket_url == "ws://[::1]:8080/sip"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REGISTRAR_HTTP", "8000"),
        ("REGISTRAR_HTTP", "127.0.0.1:0"),
        ("REGISTRAR_HTTP", "127.0.0.1:65536"),
        ("REGISTRAR_HTTP", "127.0.0.300:80"),
        ("REGISTRAR_HTTP", "::1:8000"),
        ("REGISTRAR_SIP", "registrar.example.com:5060"),
        ("REGISTRAR_SIP", "0.0.0.0"),
        ("REGISTRAR_SIPS", "5061"),
        ("REGISTRAR_SIPS", "sip.example.com:5061"),
        ("REGISTRAR_SIP_WORKERS", "0"),
        ("REGISTRAR_SIP_WORKERS", "65"),
        ("REGISTRAR_SIP_WORKERS", "two"),
        ("REGISTRAR_LEDGER_DAYS", "0"),
        ("REGISTRAR_LEDGER_DAYS", "3651"),
        ("REGISTRAR_LEDGER_DAYS", "1.5"),
        ("REGISTRAR_DOMAIN", "example.com:5060"),
        ("REGISTRAR_DOMAIN", "two words"),
        ("REGISTRAR_PUBLIC_HOST", "http://example.com"),
        ("REGISTRAR_SIP_HOST_ADDRESS", "sip.example.com"),
        ("REGISTRAR_ADMIN_USER", "no spaces here"),
        ("REGISTRAR_WEB_URL", "example.com"),
        ("REGISTRAR_WEB_URL", "https://example.com/path"),
        ("DATABASE_URL", "mysql://example.com/x"),
        ("DATABASE_URL", "postgresql://example.com"),
        ("DATABASE_DIRECT_URL", "postgresql://example.com/registrar"),
        ("REDIS_URL", "http://example.com"),
        ("SECRET_KEY", "short"),
        ("REGISTRAR_ADMIN_PASSWORD", "short"),
        ("REGISTRAR_CREDENTIAL_KEYS", "short"),
        ("REGISTRAR_CREDENTIAL_KEYS", "ä" * 43),
        ("REGISTRAR_CREDENTIAL_KEYS", "A" * 43),
        ("REGISTRAR_CREDENTIAL_KEYS", f"{CREDENTIAL_KEY},"),
        ("REGISTRAR_CREDENTIAL_KEYS", f"{CREDENTIAL_KEY}{CREDENTIAL_KEY}"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_the_variable(name: str, value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config({name: value})

    assert str(caught.value).startswith(name)
    assert "expected" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://someone:hunter2@example.com/x"),
        ("DATABASE_URL", "postgresql://someone:hunter2@example.com/x?nonsense=1"),
        ("REDIS_URL", "http://:hunter2@example.com"),
        ("SECRET_KEY", "hunter2"),
        ("REGISTRAR_ADMIN_PASSWORD", "hunter2"),
        ("REGISTRAR_CREDENTIAL_KEYS", "hunter2"),
    ],
)
def test_an_error_never_shows_a_secret(name: str, value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config({name: value})

    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_credential_keys_are_several_in_either_base64_with_the_newest_first() -> None:
    url_safe = base64.urlsafe_b64encode(bytes(range(224, 256))).decode().rstrip("=")
    assert "_" in url_safe

    config = load_config({"REGISTRAR_CREDENTIAL_KEYS": f"{url_safe}, {CREDENTIAL_KEY}"})

    assert config.credential_keys == (bytes(range(224, 256)), bytes([*range(31), 255]))
    assert load_config({}).credential_keys == ()


def test_a_mistyped_name_is_refused_with_the_name_that_was_meant() -> None:
    with pytest.raises(ConfigError, match=r"REGISTRAR_HTPP is not a setting.*REGISTRAR_HTTP"):
        load_config({"REGISTRAR_HTPP": "127.0.0.1:8000"})


@pytest.mark.parametrize("key", ["django-insecure-" + "q" * 40, "change-me-" * 5, "a" * 64])
def test_an_example_secret_key_is_refused(key: str) -> None:
    with pytest.raises(ConfigError, match="SECRET_KEY is an example"):
        load_config({"SECRET_KEY": key})


def test_the_direct_address_of_the_database_is_the_only_one_unless_it_is_given() -> None:
    one = load_config({"DATABASE_URL": "postgresql://db/registrar"})
    assert one.database_direct_url == one.database_url == "postgresql://db/registrar"
    assert not one.database_is_pooled

    two = load_config(
        {
            "DATABASE_URL": "postgresql://pool:6432/registrar",
            "DATABASE_DIRECT_URL": "postgresql://db/registrar",
        }
    )
    assert two.database_direct_url == "postgresql://db/registrar"
    assert two.database_is_pooled
    assert load_config({}).database_direct_url == load_config({}).database_url


@pytest.mark.parametrize(
    "value", ["mysql://x:hunter2@db/x", "postgresql://x:hunter2@db", "postgresql://x:hunter2@db/x?y=1"]
)
def test_a_wrong_direct_address_is_named_without_its_password(value: str) -> None:
    with pytest.raises(ConfigError, match=r"^DATABASE_DIRECT_URL .*expected") as caught:
        load_config({"DATABASE_URL": "postgresql://pool/registrar", "DATABASE_DIRECT_URL": value})

    assert "hunter2" not in str(caught.value)


def test_a_database_url_becomes_django_settings_with_the_rest_as_options() -> None:
    url = "postgresql://sip%40x:p%2Fw@db.example.com:6432/registrar?sslmode=require&connect_timeout=3"

    settings = database_settings(load_config({"DATABASE_URL": url}).database_url)

    assert settings["USER"] == "sip@x"
    assert settings["PASSWORD"] == "p/w"
    assert (settings["HOST"], settings["PORT"], settings["NAME"]) == ("db.example.com", "6432", "registrar")
    assert settings["OPTIONS"] == {"sslmode": "require", "connect_timeout": "3"}
    assert settings["CONN_MAX_AGE"] == 0


def test_a_socket_folder_is_the_host_of_a_database_url() -> None:
    settings = database_settings("postgresql:///registrar?host=/run/postgresql")

    assert settings["HOST"] == "/run/postgresql"


def test_the_secret_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"

    first = ensure_secret_key(data_dir)
    second = ensure_secret_key(data_dir)

    assert first == second
    assert len(first) >= 50
    assert stat.S_IMODE((data_dir / "secret_key").stat().st_mode) == 0o600
    assert [path.name for path in data_dir.iterdir()] == ["secret_key"]
    assert load_config({"REGISTRAR_DATA_DIR": str(data_dir)}).require_secret_key() == first


def test_without_a_key_the_error_says_how_to_get_one(tmp_path: Path) -> None:
    config = load_config({"REGISTRAR_DATA_DIR": str(tmp_path)})

    with pytest.raises(ConfigError, match=r"\./run"):
        config.require_secret_key()


def test_secret_key_from_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    ensure_secret_key(tmp_path)

    config = load_config({"REGISTRAR_DATA_DIR": str(tmp_path), "SECRET_KEY": KEY})

    assert config.secret_key == KEY


def test_the_operations_document_lists_the_same_table() -> None:
    document = (PROJECT_DIR / "docs" / "operations.md").read_text(encoding="utf-8")

    rows = [f"| `{each.name}` | {each.default} | {each.meaning} |" for each in VARIABLES]

    assert "\n".join(rows) in document
    assert len(VARIABLE_NAMES) == len(VARIABLES)
