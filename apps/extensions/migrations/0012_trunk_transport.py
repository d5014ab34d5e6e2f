"""How a trunk's servers are spoken to; those there are, over UDP as before."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('extensions', '0011_trunks'),
    ]

    operations = [
        migrations.AlterField(
            model_name='trunksettings',
            name='server',
            field=models.CharField(blank=True, default='', help_text='host or host:port.', max_length=262),
        ),
        migrations.AddField(
            model_name='trunksettings',
            name='transport',
            field=models.CharField(choices=[('udp', 'UDP'), ('tcp', 'TCP'), ('tls', 'TLS'), ('tls_any', 'TLS, whatever its certificate says')], db_default='udp', default='udp', help_text="Over TLS the certificate must be the server's.", max_length=8),
        ),
        migrations.AddConstraint(
            model_name='trunksettings',
            constraint=models.CheckConstraint(condition=models.Q(('transport__in', ['udp', 'tcp', 'tls', 'tls_any'])), name='trunk_transport_known'),
        ),
    ]
