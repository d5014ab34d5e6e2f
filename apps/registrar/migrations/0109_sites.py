"""The order of the Sites page."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('registrar', '0108_search'),
    ]

    operations = [
        migrations.CreateModel(
            name='SiteProgress',
            fields=[
                ('id', models.SmallIntegerField(primary_key=True, serialize=False)),
                ('ran_at', models.DateTimeField()),
                ('cost', models.DurationField()),
            ],
        ),
        migrations.CreateModel(
            name='OverviewSite',
            fields=[
                ('address', models.TextField(db_collation='C', help_text='With its prefix length.', primary_key=True, serialize=False)),
                ('rank', models.SmallIntegerField(help_text='0: down.')),
                ('fewer', models.IntegerField(help_text='Its phones, negative: all columns of the order rise.')),
            ],
            options={
                'indexes': [models.Index(fields=['rank', 'fewer', 'address'], name='site_by_place')],
            },
        ),
    ]
