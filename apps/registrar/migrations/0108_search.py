"""What the Extensions page is searched by, and the steps of the day's curve."""

from django.db import migrations, models

# By the function of 0107; the listing statements say the same expressions.
GRAMS = """
CREATE INDEX extension_by_grams ON extensions_extension
    USING gin (registrar_grams(lower((number || ' ' || display_name) COLLATE "default") COLLATE "C"));
CREATE INDEX peer_by_grams ON extensions_peer USING gin (registrar_grams(lower(name COLLATE "default") COLLATE "C"));
"""
UNDO = "DROP INDEX extension_by_grams, peer_by_grams"


class Migration(migrations.Migration):

    dependencies = [
        ('registrar', '0107_overview'),
    ]

    operations = [
        migrations.CreateModel(
            name='OnlineStep',
            fields=[
                ('until', models.DateTimeField(primary_key=True, serialize=False)),
                ('delta', models.BigIntegerField()),
            ],
        ),
        migrations.RunSQL(GRAMS, UNDO),
    ]
