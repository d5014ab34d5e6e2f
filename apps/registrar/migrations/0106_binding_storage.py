"""Where bindings and used nonces lie, so that a renewal touches no index.

Bindings are hash-partitioned by AOR, with half of each page free for the next version of its rows; the sweeper looks by
`due_at`, which a renewal leaves alone. A used nonce keeps what a repeat's answer is made of, not the answer.
"""

from importlib import import_module

from django.db.models.functions import Now
from django.db import migrations, models

STANDING = import_module("apps.registrar.migrations.0105_standing")

PARTITION_THE_BINDINGS = """
DROP VIEW registrar_standing;
ALTER TABLE registrar_binding RENAME TO registrar_binding_before;
CREATE TABLE registrar_binding (
    LIKE registrar_binding_before INCLUDING DEFAULTS INCLUDING CONSTRAINTS,
    due_at timestamptz NOT NULL DEFAULT now(),
    renewal_key bytea
) PARTITION BY HASH (aor);
DO $$
BEGIN
    FOR part IN 0..7 LOOP
        EXECUTE format(
            'CREATE TABLE registrar_binding_%s PARTITION OF registrar_binding '
            'FOR VALUES WITH (MODULUS 8, REMAINDER %s) '
            'WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.1, autovacuum_analyze_scale_factor = 0.1)',
            part, part);
    END LOOP;
END
$$;
INSERT INTO registrar_binding SELECT *, expires_at FROM registrar_binding_before;
DROP TABLE registrar_binding_before;
ALTER TABLE registrar_binding ADD PRIMARY KEY (aor, binding_id);
ALTER TABLE registrar_binding ADD CONSTRAINT binding_once_per_aor UNIQUE (aor, binding_key);
CREATE INDEX binding_by_peer ON registrar_binding (peer_id);
CREATE INDEX binding_by_extension ON registrar_binding (extension_id);
CREATE INDEX binding_by_id ON registrar_binding (binding_id);
CREATE INDEX binding_by_due ON registrar_binding (due_at);
CREATE INDEX binding_by_flow ON registrar_binding (flow) WHERE flow IS NOT NULL;
CREATE INDEX binding_by_source ON registrar_binding (received_addr);
"""

# The answers kept so far cannot be given again: a repeat that crosses the upgrade is challenged anew, and no replay of
# before it is let in.
SLIM_NONCES = """
ALTER TABLE registrar_nonceuse
    DROP COLUMN transaction_key, DROP COLUMN response,
    ADD COLUMN repeat_key bytea NOT NULL DEFAULT '', ADD COLUMN request_key bytea NOT NULL DEFAULT '',
    ADD COLUMN answer text NOT NULL DEFAULT '', ADD COLUMN accepted_at timestamptz NOT NULL DEFAULT '-infinity';
ALTER TABLE registrar_nonceuse
    ALTER COLUMN repeat_key DROP DEFAULT, ALTER COLUMN request_key DROP DEFAULT, ALTER COLUMN answer DROP DEFAULT,
    ALTER COLUMN accepted_at DROP DEFAULT;
ALTER TABLE registrar_nonceuse SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.1);
"""


class Migration(migrations.Migration):
    dependencies = [("registrar", "0105_standing")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(PARTITION_THE_BINDINGS, migrations.RunSQL.noop),
                migrations.RunSQL(STANDING.VIEW, migrations.RunSQL.noop),
                migrations.RunSQL(SLIM_NONCES, migrations.RunSQL.noop),
            ],
            state_operations=[
                migrations.AddField("binding", "renewal_key", models.BinaryField(null=True, help_text="What a renewal has in common with the REGISTER before (renewals/); null: not renewable.")),
                migrations.AddField("binding", "due_at", models.DateTimeField(db_default=Now(), help_text="When the sweeper looks: never after expires_at, and a renewal leaves it.")),
                migrations.RemoveIndex("binding", "binding_by_expiry"),
                migrations.AddIndex("binding", models.Index(fields=["due_at"], name="binding_by_due")),
                migrations.RemoveField("nonceuse", "transaction_key"),
                migrations.RemoveField("nonceuse", "response"),
                migrations.AddField("nonceuse", "repeat_key", models.BinaryField(help_text="Of the datagram and where it came from."), preserve_default=False),
                migrations.AddField("nonceuse", "request_key", models.BinaryField(help_text="Of From, Call-ID and CSeq."), preserve_default=False),
                migrations.AddField("nonceuse", "answer", models.TextField(help_text="Status, phrase, and the headers after the echo."), preserve_default=False),
                migrations.AddField("nonceuse", "accepted_at", models.DateTimeField(), preserve_default=False),
                migrations.AlterField("nonceuse", "expires_at", models.DateTimeField(db_index=True, help_text="The same for all uses of a nonce.")),
            ],
        ),
    ]
