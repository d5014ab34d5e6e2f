"""Calls depend on registrations: what their carriers' challenges are answered with."""

from django.db import migrations

ROWS = {"insert": "NEW", "update": "NEW", "delete": "OLD"}


def triggers():
    for event, rows in ROWS.items():
        yield migrations.RunSQL(
            f"CREATE TRIGGER trunks_{event} AFTER {event} ON trunks_trunkregistration "
            f"REFERENCING {rows} TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION extensions_trunks_changed()",
            f"DROP TRIGGER trunks_{event} ON trunks_trunkregistration",
        )


class Migration(migrations.Migration):

    dependencies = [
        ('extensions', '0011_trunks'),
        ('trunks', '0001_uplink'),
    ]

    operations = [*triggers()]
