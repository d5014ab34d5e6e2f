"""What the lists of extensions and of peers are in order by."""

import django.db.models.functions.text
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('extensions', '0008_expires_spread'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='extension',
            index=models.Index(django.db.models.functions.text.Length('number'), models.F('number'), models.F('id'), name='extension_by_length_and_number'),
        ),
        migrations.AddIndex(
            model_name='extension',
            index=models.Index(fields=['number', 'id'], name='extension_by_number'),
        ),
        migrations.AddIndex(
            model_name='peer',
            index=models.Index(fields=['kind', 'name', 'id'], name='peer_by_kind_and_name'),
        ),
    ]
