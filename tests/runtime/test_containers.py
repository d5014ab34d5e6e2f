"""The Compose file and the Dockerfile, read as text: there may be no engine to run them with."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from django.core.management import get_commands

from registrar_admin.config import PROJECT_DIR
from registrar_admin.variables import VARIABLE_NAMES

COMPOSE: dict[str, Any] = yaml.safe_load((PROJECT_DIR / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = sorted(name for name, service in SERVICES.items() if "build" in service)
DOCKERFILE = (PROJECT_DIR / "Dockerfile").read_text(encoding="utf-8")


def test_every_service_is_there() -> None:
    assert set(SERVICES) >= {"web", "sip", "postgres", "redis"}
    assert set(OURS) == {"prepare", "web", "sip", "webhooks"}


@pytest.mark.parametrize("name", OURS)
def test_each_command_is_one_that_exists_and_is_documented(name: str) -> None:
    command = SERVICES[name]["command"]

    if "manage.py" in command:
        assert command[command.index("manage.py") + 1] in get_commands()
    else:
        assert command[:3] == ["python", "-m", "daphne"]
        assert command[-1] == "registrar_admin.asgi:application"
    assert " ".join(command) in (PROJECT_DIR / "docs" / "operations.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", OURS)
def test_each_variable_is_one_of_ours(name: str) -> None:
    assert set(SERVICES[name]["environment"]) <= VARIABLE_NAMES


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_no_secret_is_written_down_and_none_has_a_default(name: str) -> None:
    for variable, value in SERVICES[name].get("environment", {}).items():
        if variable in {"SECRET_KEY", "POSTGRES_PASSWORD", "DATABASE_URL"}:
            assert re.search(r"\$\{[A-Z_]+:\?", value), variable


def test_every_service_that_is_waited_for_exists_and_can_be_healthy() -> None:
    for service in SERVICES.values():
        for other, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[other]
            else:
                assert SERVICES[other]["restart"] == "no"


def test_only_the_first_start_gets_the_admins_password() -> None:
    assert [name for name in OURS if "REGISTRAR_ADMIN_PASSWORD" in SERVICES[name]["environment"]] == [
        "prepare"
    ]


def test_the_image_runs_as_an_ordinary_user_and_needs_no_compiler() -> None:
    users = re.findall(r"^USER (\S+)$", DOCKERFILE, re.MULTILINE)

    assert users
    assert users[-1] not in {"root", "0"}
    assert "apt-get" not in DOCKERFILE
    assert "--only-binary=:all:" in DOCKERFILE


def test_every_path_the_image_copies_is_let_through_to_the_builder() -> None:
    allowed = {
        line[1:] for line in (PROJECT_DIR / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    }
    copied: set[str] = set()
    for line in re.findall(r"^COPY (.+)$", DOCKERFILE, re.MULTILINE):
        copied.update(line.split()[:-1])

    assert copied <= allowed
