"""Roles for other products, as SQL. Names come in as psycopg identifiers alone; must not execute anything.

The views themselves are in migrations/0002_views.py.
"""

from typing import Final

from psycopg.sql import SQL, Composed, Identifier, Literal

from apps.routing.models import PbxKind

ROLE_EXISTS: Final = "SELECT 1 FROM pg_roles WHERE rolname = %s"
CONTACT_INDEX: Final = "binding_by_asterisk_id"
CONTACT_INDEX_EXISTS: Final = "SELECT to_regclass('binding_by_asterisk_id') IS NOT NULL"

# Asterisk asks for id LIKE '6001^3B@%'. Not made before somebody reads: each new binding pays for it.
CREATE_CONTACT_INDEX: Final = (
    "CREATE INDEX IF NOT EXISTS binding_by_asterisk_id "
    'ON registrar_binding ((asterisk.contact_id(aor, contact) COLLATE "C"))'
)
DROP_CONTACT_INDEX: Final = "DROP INDEX IF EXISTS binding_by_asterisk_id"


def create_role(role: str, verifier: str) -> Composed:
    """verifier: what PostgreSQL keeps for the password (SCRAM), so that no log can hold the password."""
    return SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(Identifier(role), Literal(verifier))


def change_password(role: str, verifier: str) -> Composed:
    return SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(Identifier(role), Literal(verifier))


def role_settings(role: str, kind: PbxKind, time_zone: str) -> list[Composed]:
    """Products name their tables without a schema; Kamailio and OpenSIPS take times for those of their own host."""
    settings = {"search_path": kind.value, "TimeZone": time_zone}
    return [
        SQL("ALTER ROLE {} SET {} = {}").format(Identifier(role), Identifier(name), Literal(value))
        for name, value in settings.items()
    ]


def grants(role: str, kind: PbxKind, database: str) -> list[Composed]:
    """Reading the schema's views, and writing into them, which the views' rules turn into nothing."""
    names = {"role": Identifier(role), "schema": Identifier(kind.value), "database": Identifier(database)}
    return [
        SQL("GRANT CONNECT ON DATABASE {database} TO {role}").format(**names),
        SQL("GRANT USAGE ON SCHEMA {schema} TO {role}").format(**names),
        SQL("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}").format(
            **names
        ),
    ]


def revokes(role: str, kind: PbxKind, database: str) -> list[Composed]:
    names = {"role": Identifier(role), "schema": Identifier(kind.value), "database": Identifier(database)}
    return [
        SQL("REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {role}").format(**names),
        SQL("REVOKE ALL ON SCHEMA {schema} FROM {role}").format(**names),
        SQL("REVOKE ALL ON DATABASE {database} FROM {role}").format(**names),
    ]


def drop_role(role: str) -> Composed:
    return SQL("DROP ROLE {}").format(Identifier(role))
