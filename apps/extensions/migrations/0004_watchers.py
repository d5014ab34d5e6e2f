from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('extensions', '0003_sealed_ha1s'),
    ]

    operations = [
        migrations.AddField(
            model_name='peer',
            name='may_watch',
            field=models.BooleanField(db_default=False, default=False, help_text='Subscribes to any registration state of its domain (RFC 3680).'),
        ),
    ]
