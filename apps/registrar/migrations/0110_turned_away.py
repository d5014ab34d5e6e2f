from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('registrar', '0109_sites'),
    ]

    operations = [
        migrations.AddField(
            model_name='workerheartbeat',
            name='overloaded_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='workerheartbeat',
            name='turned_away',
            field=models.PositiveBigIntegerField(db_default=0, default=0),
        ),
    ]
