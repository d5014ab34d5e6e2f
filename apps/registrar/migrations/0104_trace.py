import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('extensions', '0005_diagnosis'),
        ('registrar', '0103_probe_storage'),
    ]

    operations = [
        migrations.CreateModel(
            name='Trace',
            fields=[
                ('peer', models.OneToOneField(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='trace', serialize=False, to='extensions.peer')),
                ('started_by', models.CharField(max_length=150)),
                ('started_at', models.DateTimeField()),
                ('until', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='TracedMessage',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('at', models.DateTimeField()),
                ('direction', models.CharField(choices=[('in', 'in'), ('out', 'out')], max_length=3)),
                ('source', models.TextField(help_text='address:port, an IPv6 address in brackets.')),
                ('destination', models.TextField()),
                ('transport', models.CharField(max_length=4)),
                ('data', models.BinaryField()),
                ('size', models.PositiveIntegerField(help_text='Bytes on the wire; what is kept may be less.')),
                ('trace', models.ForeignKey(db_column='peer_id', db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='messages', to='registrar.trace')),
            ],
            options={
                'indexes': [models.Index(fields=['trace', 'at', 'id'], name='traced_message_in_order')],
            },
        ),
    ]
