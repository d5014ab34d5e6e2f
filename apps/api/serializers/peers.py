"""SIP peers, their credentials, and the registration string shown once."""

from typing import Any, Final

from rest_framework import serializers

from apps.api.serializers.strict import StrictSerializer
from apps.extensions.models import Credential, Peer, PeerKind, WhenFull
from apps.extensions.services import NewPeer
from apps.registrar.models import PeerActivity
from apps.registrar.selectors import end_reason
from apps.registrar.states import PeerState

PASSWORD_HELP: Final = "8 to 128 ASCII characters; one is generated when absent."  # noqa: S105 - a help text
ALGORITHMS: Final = {"ha1_md5": "MD5", "ha1_sha256": "SHA-256", "ha1_sha512_256": "SHA-512-256"}


class PeerSerializer(serializers.Serializer[Peer]):
    """Expects peers from apps.registrar.selectors.peers_with_state() with `current_credentials` prefetched."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    kind = serializers.ChoiceField(PeerKind.choices)
    extension = serializers.CharField(source="extension.number", default=None, allow_null=True)
    extension_id = serializers.UUIDField(allow_null=True)
    domain = serializers.CharField(source="domain.name")
    username = serializers.SerializerMethodField(help_text="What the phone signs in with.")
    enabled = serializers.BooleanField()
    max_contacts = serializers.IntegerField()
    when_full = serializers.ChoiceField(WhenFull.choices)
    min_expires_s = serializers.IntegerField(allow_null=True, help_text="null: the domain's.")
    max_expires_s = serializers.IntegerField(allow_null=True, help_text="null: the domain's.")
    accepts_no_qop = serializers.BooleanField(help_text="Whether digest without qop is accepted (RFC 2069).")
    may_watch = serializers.BooleanField(
        help_text="Whether it may subscribe to the registration state of others in its domain (RFC 3680)."
    )
    qualify = serializers.BooleanField(help_text="Whether its phones are asked, by OPTIONS, if they hear us.")
    qualify_interval_s = serializers.IntegerField(help_text="Seconds between two such questions.")
    state = serializers.ChoiceField(PeerState.choices)
    state_reason = serializers.SerializerMethodField(
        help_text="Why it is in this state, or why the latest attempt was refused; null: nothing to say."
    )
    online_since = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField(
        source="first_expires_at", allow_null=True, help_text="When the first live contact expires."
    )
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    def get_username(self, peer: Peer) -> str | None:
        current: list[Credential] = getattr(peer, "current_credentials", [])
        return current[0].username if current else None

    def get_state_reason(self, peer: Peer) -> str | None:
        activity: PeerActivity | None = getattr(peer, "activity", None)
        if getattr(peer, "state", None) == PeerState.DISABLED:
            return "peer_disabled" if not peer.enabled else "extension_disabled"
        if activity is None:
            return None
        if getattr(peer, "refused_since_success", False):
            return activity.refused_reason
        return end_reason(peer).value if getattr(peer, "state", None) == PeerState.OFFLINE else None


class PeerSettings(StrictSerializer):
    """What of a peer can be changed."""

    enabled = serializers.BooleanField(required=False)
    max_contacts = serializers.IntegerField(required=False, min_value=1, max_value=20)
    when_full = serializers.ChoiceField(WhenFull.choices, required=False)
    min_expires_s = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=604_800)
    max_expires_s = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=604_800)
    accepts_no_qop = serializers.BooleanField(required=False)
    may_watch = serializers.BooleanField(required=False)
    qualify = serializers.BooleanField(required=False)
    qualify_interval_s = serializers.IntegerField(required=False, min_value=2, max_value=3600)


class PeerCreate(PeerSettings):
    extension = serializers.CharField(max_length=320, help_text="Its UUID, number, or number@domain.")
    name = serializers.CharField(max_length=64)
    username = serializers.CharField(required=False, max_length=64, help_text="The name when absent.")
    password = serializers.CharField(
        required=False, max_length=128, trim_whitespace=False, help_text=PASSWORD_HELP
    )


class CredentialSerializer(serializers.Serializer[Credential]):
    """A digest user name and which algorithms it can answer; its HA1s and its password never leave."""

    id = serializers.UUIDField()
    username = serializers.CharField()
    algorithms = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField()
    valid_until = serializers.DateTimeField(allow_null=True, help_text="null: until it is rotated.")

    def get_algorithms(self, credential: Credential) -> list[str]:
        return list(ALGORITHMS.values())


class CredentialRotate(StrictSerializer):
    password = serializers.CharField(
        required=False, max_length=128, trim_whitespace=False, help_text=PASSWORD_HELP
    )
    overlap_s = serializers.IntegerField(
        required=False,
        default=0,
        min_value=0,
        max_value=90 * 86_400,
        help_text="How long the old stays good.",
    )


class TransportSerializer(serializers.Serializer[dict[str, Any]]):
    """One way to the server. WS and WSS have a url in place of the rest."""

    transport = serializers.CharField(help_text="UDP, TCP, TLS, WS or WSS.")
    server = serializers.CharField(allow_null=True)
    port = serializers.IntegerField(allow_null=True)
    url = serializers.CharField(allow_null=True, help_text="Where a browser phone connects.")
    registration_string = serializers.CharField(
        allow_null=True, help_text="username:password@server:port, with tcp:// or tls:// before it."
    )


class RegistrationStringSerializer(TransportSerializer):
    """What a phone needs to log in, over UDP and over every transport there is. Holds the clear password: shown
    once."""

    username = serializers.CharField()
    password = serializers.CharField()
    domain = serializers.CharField()
    sip_uri = serializers.CharField()
    transports = TransportSerializer(many=True)


class NewPasswordSerializer(serializers.Serializer[Any]):
    password = serializers.CharField(help_text="Shown this once.")
    registration_string = RegistrationStringSerializer()


class NewPeerSerializer(PeerSerializer, NewPasswordSerializer):
    """A peer just made, with its password this once."""


class RotatedSerializer(CredentialSerializer, NewPasswordSerializer):
    """The new credential, with its password this once."""


def shown_once(new: NewPeer) -> dict[str, Any]:
    """The clear password and the registration string, for the one answer that may hold them."""
    card = new.registration_string
    return {"password": card.password, "registration_string": card.as_dict()}
