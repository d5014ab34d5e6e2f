"""Every situation: the facts, the finding named first and what its evidence must tell; and beside it the nearest
facts that must not give it."""

import datetime as dt
from dataclasses import dataclass, replace
from ipaddress import ip_network
from typing import Final

from apps.diagnosis.facts import EventFacts, Facts, Severity
from tests.diagnosis.phones import (
    AWAY,
    HOME,
    SNOM,
    YEALINK,
    ago,
    arrival,
    binding,
    challenge,
    facts,
    move,
    offline,
    online,
    pushed_out,
    refusal,
    site,
    stranger,
    with_attempts,
)

ATTENTION, BROKEN, FINE = Severity.ATTENTION, Severity.BROKEN, Severity.FINE


@dataclass(frozen=True)
class Situation:
    """evidence: pieces that must each stand in some line. nearest: facts that give `otherwise` first instead."""

    name: str
    code: str
    severity: Severity
    facts: Facts
    evidence: tuple[str, ...]
    nearest: Facts
    otherwise: str


def _two_devices() -> Facts:
    return online(binding(), binding(received=AWAY, user_agent=SNOM))


def _new_ports(minutes: tuple[int, ...], first_port: int = 40000) -> tuple[EventFacts, ...]:
    """Renewals from ever new ports, the newest first."""
    return tuple(
        move(ago(minutes=at), (HOME[0], first_port - n), (HOME[0], first_port - n - 1))
        for n, at in enumerate(minutes)
    )


_LOST = binding(
    probe_state="unreachable",
    probe_since=ago(minutes=2),
    probes_lost=2,
    probe_answered_at=ago(minutes=4),
    rewritten="",
)
_FIVE_MINUTES = {"expires_at": ago(minutes=1) + dt.timedelta(minutes=5), "refreshed_at": ago(minutes=1)}
_BRISK = binding(**_FIVE_MINUTES, renewal_gap_s=240.0, late_at=None)
_LATE = binding(
    refreshed_at=ago(minutes=40), expires_at=ago(minutes=-20), late_at=ago(minutes=7), probe_state="unknown"
)
_TO_AND_FRO = (
    move(ago(minutes=5), HOME, AWAY, YEALINK),
    move(ago(minutes=10), AWAY, HOME, SNOM),
    move(ago(minutes=15), HOME, AWAY, YEALINK),
    move(ago(minutes=20), AWAY, HOME, SNOM),
)

SITUATIONS: Final = (
    Situation(
        "everything is fine",
        "fine",
        FINE,
        online(),
        ("Registered from 203.0.113.7:5062, Yealink SIP-T46S", "good for 1 h", "after 18 ms"),
        online(_LOST),
        "unreachable",
    ),
    Situation(
        "it names a private contact",
        "fine",
        FINE,
        online(binding(contact="sip:1001@192.168.1.20:5060", probe_answered_at=None)),
        ("good for 1 h",),
        online(binding(contact="sip:1001@192.168.1.20:5060", probe_state="lagging")),
        "lagging",
    ),
    Situation(
        "the extension is switched off",
        "disabled",
        BROKEN,
        with_attempts(offline(reason="disabled", extension_enabled=False), refusal("disabled")),
        ("Found disabled", "Registration ended (disabled)"),
        offline(reason="disabled"),
        "dropped",
    ),
    Situation(
        "the phone's address is blocked",
        "blocked_source",
        BROKEN,
        offline(blocked=ip_network("203.0.113.0/24"), strangers=(stranger("blocked_source"),)),
        ("203.0.113.7 is in the blocked network 203.0.113.0/24", "Tried as 1001-desk"),
        online(binding(received=AWAY), blocked=ip_network("203.0.113.0/24"), last_received=HOME),
        "fine",
    ),
    Situation(
        "an online phone's address is blocked",
        "blocked_source",
        ATTENTION,
        online(blocked=ip_network("203.0.113.0/24")),
        ("blocked network", "Last accepted"),
        online(strangers=(stranger("blocked_source", received=AWAY),)),
        "fine",
    ),
    Situation(
        "attempts of an offline phone came from a blocked address",
        "blocked_source",
        BROKEN,
        offline(strangers=(stranger("blocked_source"),)),
        ("from 203.0.113.7:5062",),
        offline(strangers=(stranger("blocked_source", received=AWAY, user_agent="x", names_from_there=900),)),
        "expired_silent",
    ),
    Situation(
        "the whole site is silent, this phone expired",
        "site_down",
        BROKEN,
        offline(site=site()),
        ("Last heard anything from 203.0.113.7", "The first of 4 phones was due"),
        offline(site=site(overdue=1)),
        "expired_silent",
    ),
    Situation(
        "the whole site is silent, this phone is late",
        "site_down",
        BROKEN,
        online(_LATE, site=site()),
        ("Last renewal from 203.0.113.7:5062",),
        online(site=site()),
        "fine",
    ),
    Situation(
        "the site is silent but this phone is being refused",
        "wrong_password",
        BROKEN,
        with_attempts(offline(site=site()), refusal("wrong_password")),
        ("Refused (wrong password), from 203.0.113.7:5062",),
        offline(site=site()),
        "site_down",
    ),
    Situation(
        "the password from before the change",
        "old_password",
        BROKEN,
        with_attempts(
            offline(
                reason="credential_changed", password_changed_at=ago(hours=1), old_password_until=ago(hours=1)
            ),
            refusal("old_password"),
        ),
        (
            "Refused (old password), from 203.0.113.7:5062",
            "Password changed",
            "The old password was good until",
        ),
        offline(reason="credential_changed", password_changed_at=ago(hours=1)),
        "dropped",
    ),
    Situation(
        "a wrong password from the start",
        "wrong_password",
        BROKEN,
        with_attempts(facts(), refusal("wrong_password", received=AWAY)),
        ("Refused (wrong password), from 198.51.100.9:5060",),
        with_attempts(online(), refusal("wrong_password", ago(days=3), received=AWAY)),
        "fine",
    ),
    Situation(
        "a second device with a wrong password",
        "wrong_password",
        ATTENTION,
        with_attempts(online(), refusal("wrong_password", ago(minutes=8), user_agent=SNOM)),
        ("snom D785",),
        with_attempts(online(), refusal("wrong_password", ago(minutes=8))),
        "fine",
    ),
    Situation(
        "guesses from elsewhere while the phone is just gone",
        "expired_silent",
        BROKEN,
        with_attempts(offline(), refusal("wrong_password", received=AWAY, user_agent="x")),
        ("Registration ended (expired without renewal)",),
        with_attempts(offline(), refusal("wrong_password")),
        "wrong_password",
    ),
    Situation(
        "registers as somebody else",
        "other_users_aor",
        BROKEN,
        with_attempts(facts(), refusal("other_users_aor")),
        ("registers as somebody else",),
        online(),
        "fine",
    ),
    Situation(
        "a third phone is turned away",
        "too_many_contacts",
        ATTENTION,
        with_attempts(
            replace(_two_devices(), replaces_when_full=False, max_contacts=2),
            refusal("too_many_contacts", ago(minutes=2), user_agent="Grandstream"),
        ),
        ("too many contacts", "Grandstream"),
        replace(_two_devices(), replaces_when_full=False, max_contacts=2),
        "fine",
    ),
    Situation(
        "asks for too short an expiry again and again",
        "interval_too_brief",
        BROKEN,
        with_attempts(facts(), refusal("interval_too_brief", count=9)),
        ("interval too brief",),
        with_attempts(
            online(binding(refreshed_at=ago(seconds=3))), refusal("interval_too_brief", ago(seconds=40))
        ),
        "fine",
    ),
    Situation(
        "asked for too short an expiry once, long ago",
        "interval_too_brief",
        BROKEN,
        with_attempts(facts(), refusal("interval_too_brief", count=1)),
        ("interval too brief",),
        with_attempts(facts(), refusal("interval_too_brief", ago(seconds=31), count=1)),
        "never_registered",
    ),
    Situation(
        "our replies do not reach the phone",
        "challenge_unheard",
        BROKEN,
        with_attempts(facts(), challenge("challenge_unheard")),
        ("Asked for its password, no answer, from 203.0.113.7:5062",),
        with_attempts(facts(), challenge("challenge_unheard"), refusal("wrong_password", ago(minutes=5))),
        "wrong_password",
    ),
    Situation(
        "the phone does not go on after the challenge",
        "challenge_ignored",
        BROKEN,
        with_attempts(offline(), challenge("challenge_ignored", count=1)),
        ("Asked for its password", "Registered (later"),
        with_attempts(
            online(), challenge("challenge_ignored", ago(minutes=1), count=50, received=AWAY, user_agent="x")
        ),
        "fine",
    ),
    Situation(
        "refused first, not even answering now",
        "challenge_ignored",
        BROKEN,
        with_attempts(facts(), refusal("wrong_password"), challenge("challenge_ignored", ago(minutes=2))),
        ("no answer",),
        with_attempts(facts(), refusal("wrong_password"), challenge("challenge_ignored", ago(minutes=20))),
        "wrong_password",
    ),
    Situation(
        "registered, but nothing reaches it",
        "unreachable",
        BROKEN,
        online(_LOST),
        ("Stopped answering at 203.0.113.7:5062 (2 probes lost)", "Last answered a probe"),
        online(_LOST, qualified=False),
        "fine",
    ),
    Situation(
        "one of two devices does not answer",
        "unreachable",
        ATTENTION,
        online(binding(received=AWAY, user_agent=SNOM), _LOST),
        ("203.0.113.7:5062",),
        # What a restarted phone left behind is not a device.
        online(
            binding(
                contact="sip:1001@203.0.113.7:9999", registered_at=ago(minutes=3), refreshed_at=ago(minutes=3)
            ),
            replace(_LOST, refreshed_at=ago(minutes=20)),
        ),
        "fine",
    ),
    Situation(
        "its connection is open and it does not answer",
        "unreachable",
        BROKEN,
        online(replace(_LOST, transport="TLS"), events=_new_ports((5, 20, 40))),
        ("203.0.113.7:5062",),
        online(replace(_LOST, transport="UDP"), events=_new_ports((5, 20, 40))),
        "pinhole_closed",
    ),
    Situation(
        "the NAT closes between renewals",
        "pinhole_closed",
        BROKEN,
        online(_LOST, events=_new_ports((5, 35, 65))),
        ("Came from 203.0.113.7:40000, Yealink SIP-T46S, before from 203.0.113.7:39999", "2 probes lost"),
        online(_LOST, events=(move(ago(minutes=5), HOME, AWAY),)),
        "unreachable",
    ),
    Situation(
        "the expiry is short, so the NAT is not the reason",
        "unreachable",
        BROKEN,
        online(
            replace(_LOST, refreshed_at=ago(seconds=5), expires_at=ago(seconds=-25)),
            events=_new_ports((5, 35)),
        ),
        ("2 probes lost",),
        online(_LOST, events=_new_ports((5, 35))),
        "pinhole_closed",
    ),
    Situation(
        "a SIP ALG, and nothing reaches the phone",
        "sip_alg",
        BROKEN,
        online(replace(_LOST, rewritten="via")),
        ("Via header rewritten, from 203.0.113.7:5062", "2 probes lost"),
        online(_LOST),
        "unreachable",
    ),
    Situation(
        "a SIP ALG, while probes are answered",
        "sip_alg",
        ATTENTION,
        online(binding(rewritten="contact")),
        ("Contact header rewritten",),
        online(binding(rewritten="")),
        "fine",
    ),
    Situation(
        "the renewal is late",
        "renewal_late",
        ATTENTION,
        online(_LATE),
        ("Renewal was due; it usually comes every 30 min", "Last renewal from 203.0.113.7:5062"),
        online(replace(_LATE, late_at=ago(minutes=-1))),
        "fine",
    ),
    Situation(
        "two models push each other out",
        "two_phones",
        ATTENTION,
        online(binding(), events=_TO_AND_FRO),
        ("Came from 203.0.113.7:5062, Yealink SIP-T46S, before from 198.51.100.9:5060",),
        online(binding(), events=_TO_AND_FRO[:2]),
        "fine",
    ),
    Situation(
        "two phones of one model push each other out",
        "two_phones",
        ATTENTION,
        online(events=tuple(replace(event, user_agent=YEALINK) for event in _TO_AND_FRO)),
        ("198.51.100.9:5060",),
        _two_devices(),
        "fine",
    ),
    Situation(
        "two phones take the one place in turns",
        "two_phones",
        ATTENTION,
        online(
            binding(),
            max_contacts=1,
            events=tuple(
                event
                for at, here, there in (
                    (5, YEALINK, SNOM),
                    (10, SNOM, YEALINK),
                    (15, YEALINK, SNOM),
                    (20, SNOM, "x"),
                )
                for event in (arrival(ago(minutes=at), HOME, here), pushed_out(ago(minutes=at), HOME, there))
            ),
        ),
        ("Registered from 203.0.113.7:5062, snom D785",),
        online(
            binding(),
            events=tuple(
                arrival(ago(minutes=at), HOME, agent)
                for at, agent in ((5, YEALINK), (10, SNOM), (15, YEALINK))
            ),
        ),
        "fine",
    ),
    Situation(
        "the address changes with each renewal",
        "nat_rebinding",
        ATTENTION,
        online(_BRISK, events=_new_ports(tuple(range(4, 56, 4)))),
        ("Came from 203.0.113.7:40000, Yealink SIP-T46S, before from 203.0.113.7:39999",),
        online(_BRISK, events=_new_ports((4, 30, 50))),
        "fine",
    ),
    Situation(
        "new connections have new ports: that is no NAT",
        "fine",
        FINE,
        online(replace(_BRISK, transport="TCP"), events=_new_ports(tuple(range(4, 56, 4)))),
        ("Registered from",),
        online(replace(_BRISK, transport="udp"), events=_new_ports(tuple(range(4, 56, 4)))),
        "nat_rebinding",
    ),
    Situation(
        "registered from a place never seen",
        "unexpected_place",
        ATTENTION,
        online(
            binding(received=AWAY, registered_at=ago(hours=2)),
            new_network_at=ago(hours=2),
            events=(arrival(ago(hours=2), AWAY),),
            networks=("203.0.0.0/16", "198.51.0.0/16"),
        ),
        ("Registered from 198.51.100.9:5060", "First time in this network", "Known until then: 203.0.0.0/16"),
        online(
            binding(received=AWAY), new_network_at=ago(days=2), networks=("203.0.0.0/16", "198.51.0.0/16")
        ),
        "fine",
    ),
    Situation(
        "it is slow",
        "lagging",
        ATTENTION,
        online(binding(probe_state="lagging", rtt_ms=730.0, rtt_avg_ms=612.0)),
        ("Answered a probe after 730 ms",),
        online(binding(probe_state="reachable", rtt_ms=730.0)),
        "fine",
    ),
    Situation(
        "a different phone took its place",
        "replaced",
        ATTENTION,
        online(max_contacts=1, events=(pushed_out(ago(hours=3), AWAY, SNOM),)),
        ("Pushed out: 198.51.100.9:5060, snom D785",),
        online(max_contacts=1, events=(pushed_out(ago(hours=3), AWAY, YEALINK),)),
        "fine",
    ),
    Situation(
        "expired and silent",
        "expired_silent",
        BROKEN,
        offline(),
        ("Registration ended (expired without renewal)", "Last accepted"),
        offline(reason="unregistered"),
        "signed_off",
    ),
    Situation(
        "expired a moment ago, not swept yet",
        "expired_silent",
        BROKEN,
        online(binding(expires_at=ago(seconds=1))),
        ("expired without renewal",),
        online(binding(expires_at=ago(seconds=-1))),
        "fine",
    ),
    Situation(
        "a refusal before renewals that were accepted is history",
        "expired_silent",
        BROKEN,
        replace(with_attempts(offline(), refusal("cseq_out_of_order", ago(hours=9))), heard_at=ago(hours=2)),
        ("Last accepted",),
        with_attempts(offline(), refusal("cseq_out_of_order", ago(minutes=9))),
        "cseq_out_of_order",
    ),
    Situation(
        "signed off by the phone",
        "signed_off",
        BROKEN,
        offline(reason="unregistered"),
        ("Registration ended (signed off by the phone)",),
        with_attempts(offline(reason="unregistered"), refusal("wrong_password")),
        "wrong_password",
    ),
    Situation(
        "dropped by an admin",
        "dropped",
        BROKEN,
        offline(reason="dropped"),
        ("dropped by an admin",),
        online(ended_at=ago(minutes=9), end_reason="dropped"),
        "fine",
    ),
    Situation(
        "the connection closed",
        "flow_closed",
        BROKEN,
        offline(reason="flow_closed"),
        ("connection closed",),
        offline(reason="flow_closed", site=site()),
        "site_down",
    ),
    Situation(
        "registers at another domain",
        "wrong_domain",
        BROKEN,
        facts(strangers=(stranger("not_our_domain", domain="old.example.com"),)),
        ("Tried as 1001-desk at old.example.com, from 203.0.113.7:5062",),
        facts(strangers=(stranger("not_our_domain", domain="8.8.8.8", names_from_there=40),)),
        "never_registered",
    ),
    Situation(
        "signed in rightly for another domain",
        "wrong_domain",
        BROKEN,
        with_attempts(facts(), refusal("not_our_domain")),
        ("Refused (wrong domain)",),
        facts(),
        "never_registered",
    ),
    Situation(
        "answers with another realm",
        "wrong_realm",
        BROKEN,
        offline(strangers=(stranger("wrong_realm", domain="asterisk"),)),
        ("Tried as 1001-desk at asterisk",),
        offline(strangers=(stranger("wrong_realm", domain="asterisk", last_at=ago(hours=3)),)),
        "expired_silent",
    ),
    Situation(
        "the user name is mistyped",
        "typo_user",
        BROKEN,
        facts(strangers=(stranger("unknown_user", username="1001-dask"),)),
        ("Tried as 1001-dask at example.com, from 203.0.113.7:5062",),
        facts(strangers=(stranger("unknown_user", username="1001-dask", names_from_there=4),)),
        "never_registered",
    ),
    Situation(
        "a stranger's typing error does not explain a phone that is gone",
        "expired_silent",
        BROKEN,
        offline(strangers=(stranger("unknown_user", username="1001-dask", received=AWAY, user_agent="x"),)),
        ("expired without renewal",),
        offline(strangers=(stranger("unknown_user", username="1001-dask", received=AWAY),)),
        "typo_user",
    ),
    Situation(
        "what it sends cannot be read",
        "malformed",
        BROKEN,
        facts(strangers=(stranger("malformed"),)),
        ("Tried as 1001-desk",),
        online(strangers=(stranger("malformed", count=1),)),
        "fine",
    ),
    Situation(
        "never registered",
        "never_registered",
        BROKEN,
        facts(),
        ("Created",),
        offline(),
        "expired_silent",
    ),
)
