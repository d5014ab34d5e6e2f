"""Every word of a verdict, in one place: what a list row says, the sentence, what to do, and the lines of evidence.

Pure. Written to be translated: explain() is given a translator, which sees a template before its fields are filled in.
"""

from typing import Final

from apps.diagnosis.wording import Phrase, Words

WORDS: Final[dict[str, Words]] = {
    "disabled": Words(
        "disabled",
        "It is disabled, so its phone is refused.",
        "Enable it on the extension's page.",
        "The extension or the SIP peer is switched off. Nothing else is said then.",
        "enable",
    ),
    "blocked_source": Words(
        "source blocked",
        "Its phone is at {address}, which belongs to the blocked network {network}: its packets get no answer.",
        "Remove {network} from the blocked sources on the Settings page, if this phone may register from there.",
        "A live binding's address, or the last address of an offline phone, is in a blocked network.",
        "settings",
    ),
    "site_down": Words(
        "site is silent",
        "Its whole site is silent: nothing has been heard from {address} while {overdue} phones there were due.",
        "Check power and internet at the site behind {address}. Nothing needs changing in the phone.",
        "The phone is late, unreachable or expired, and so are others behind the same public address.",
    ),
    "old_password": Words(
        "old password",
        "The phone still has the password from before the last change.",
        "Enter the new password in the phone. If nobody has it any more, make another with “New password” on the "
        "extension's page.",
        "Refused since the last success; the password sent was right before it was changed.",
        "password",
    ),
    "wrong_password": Words(
        "wrong password",
        "The password in the phone is not the one of {peer}.",
        "Type the password again in the phone, or make a new one with “New password” on the extension's page.",
        "Refused since the last success; the user name is right and the password never was one of it.",
        "password",
    ),
    "other_users_aor": Words(
        "registers as somebody else",
        "The phone signs in as {username} but asks to register another extension's address.",
        "In the phone, set the SIP address (often called user ID or extension) to {address_user}.",
        "Refused since the last success: signed in rightly, for another address.",
    ),
    "too_many_contacts": Words(
        "too many contacts",
        "Its {max_contacts} places are taken by other phones, so this one is turned away.",
        "Drop the contact that is no longer used on the extension's page, or raise “Most contacts at a time” in the "
        "device's settings there.",
        "Refused since the last success: as many contacts as it may have are registered.",
        "settings",
    ),
    "interval_too_brief": Words(
        "renews too often",
        "The phone wants to renew more often than every {min_expires_s} seconds, and gives up when told so.",
        "Set the registration expiry in the phone to {min_expires_s} seconds or more, or allow less on the Settings "
        "page (“Shortest registration”, or “Raise a registration that is too short”).",
        "Refused since the last success for too short an interval, more than once or with silence after it.",
        "settings",
    ),
    "bad_contact": Words(
        "malformed contact",
        "The phone sends a Contact that cannot be read.",
        "Update the phone's firmware; if a proxy or a router changes its messages on the way, switch that off there.",
        "Refused since the last success.",
    ),
    "bad_wildcard": Words(
        "malformed sign-off",
        "The phone tries to sign off in a way that SIP does not allow.",
        "Update the phone's firmware. Until then, drop its contacts on the extension's page.",
        "Refused since the last success.",
    ),
    "bad_path": Words(
        "malformed Path",
        "Its requests come with a Path header that cannot be read, or is longer than is kept.",
        "Correct the Path that the proxy between phone and registrar adds.",
        "Refused since the last success.",
    ),
    "path_not_allowed": Words(
        "proxy not known",
        "Its requests come through a proxy that is not one of the domain's edge proxies.",
        "Add the proxy's address under “Edge proxies” on the Settings page, or register without the proxy.",
        "Refused since the last success.",
        "settings",
    ),
    "contact_not_allowed": Words(
        "contact not allowed",
        "The phone asks to be called at an address that is not its own: this server, loopback or a broadcast.",
        "Correct the phone's own address (often called NAT or external address) in its network settings.",
        "Refused since the last success.",
    ),
    "no_outbound_at_first_hop": Words(
        "proxy without outbound",
        "The phone asks for SIP Outbound, but the proxy in front cannot keep its connection.",
        "Switch Outbound off in the phone, or on in the proxy.",
        "Refused since the last success.",
    ),
    "no_qop": Words(
        "old digest",
        "The phone signs in the way of RFC 2069, which is not allowed for it.",
        "Update the phone's firmware, or switch on “Old phone: digest without qop” in the device's settings on the "
        "extension's page.",
        "Refused since the last success.",
        "settings",
    ),
    "bad_extension": Words(
        "unsupported SIP extension",
        "The phone insists on a SIP extension that is not understood here or is switched off.",
        "Switch that extension off in the phone; for Outbound and Path see the Settings page.",
        "Refused since the last success.",
        "settings",
    ),
    "bad_to": Words(
        "malformed address",
        "The phone registers something that is no SIP address.",
        "In the phone, set the SIP address to {address_user}@{domain}.",
        "Refused since the last success.",
    ),
    "cseq_out_of_order": Words(
        "old requests",
        "Requests of the phone arrive that are older than what is already registered.",
        "Restart the phone. If it comes back, look for a device or proxy that repeats its packets.",
        "Refused since the last success, more than once or with silence after it.",
    ),
    "unknown_user": Words(
        "unknown user name",
        "The phone's user name does not exist in {domain}.",
        "In the phone, set the user name to {username}.",
        "Refused since the last success.",
    ),
    "refused": Words(
        "refused",
        "The phone's attempts are refused ({reason}).",
        "Look at the refused attempts in the ledger on the extension's page.",
        "Refused since the last success, for a reason this table does not have.",
    ),
    "challenge_unheard": Words(
        "no reply heard",
        "The phone asks again and again as if it heard nothing: our replies do not reach it.",
        "Let the firewall or router in front of the phone pass replies to it, and switch off “SIP ALG” there; or let "
        "the phone use TCP or TLS.",
        "Since the last success a request was answered with a challenge, and the same request kept coming.",
    ),
    "challenge_ignored": Words(
        "challenge not answered",
        "The phone was asked for its password and did not go on.",
        "Enter a password in the phone. If there is one, the phone may not know the digest offered: choose “MD5, then "
        "SHA-256” on the Settings page, or “MD5 only” for phones that stop at any other (baresip 1.0).",
        "Since the last success a request was answered with a challenge, and nothing followed.",
        "settings",
    ),
    "unreachable": Words(
        "unreachable",
        "It is registered but does not answer us: calls do not reach it either.",
        "Let the firewall or router in front of the phone pass packets from the registrar, and switch on keep-alive in "
        "the phone. If calls do ring, the phone ignores probes: switch them off in the device's settings.",
        "A live contact left the last probes unanswered, and nothing below explains it.",
        "settings",
    ),
    "unreachable:connection": Words(
        "unreachable",
        "Its connection is open but the phone does not answer over it: calls do not reach it either.",
        "Restart the phone. If calls do ring, it ignores probes: switch them off in the device's settings.",
        "As unreachable, over TCP, TLS or WebSocket.",
        "settings",
    ),
    "pinhole_closed": Words(
        "NAT closes too early",
        "The way to the phone closes between renewals: its router forgets it before the phone speaks again.",
        "Set the registration expiry in the phone to {suggested_s} seconds, or switch on its keep-alive (every "
        "20 to 30 seconds), or let it use TCP or TLS.",
        "Probes over UDP are lost, and renewals come from a new port of the same address.",
    ),
    "sip_alg": Words(
        "SIP ALG in between",
        "A router on the way rewrites the phone's messages ({header}); calls may not ring, or be without sound.",
        "Switch off “SIP ALG” (or SIP helper, SIP inspection) in the router in front of the phone, or let the phone "
        "use TLS.",
        "Contact and Via of its registration contradict each other as a rewriting router makes them.",
    ),
    "renewal_late": Words(
        "renewal is late",
        "Its renewal is overdue. It still counts as registered, but the phone has probably gone.",
        "See whether the phone has power and network; restart it if it does not come back.",
        "A renewal did not come when the phone's own rhythm had it due.",
    ),
    "two_phones": Words(
        "two phones, one account",
        "Two phones share this account and push each other out, so calls ring only at the one that spoke last.",
        "Give each phone its own device (“Add a device” on the extension's page), or raise “Most contacts at a time” "
        "in the device's settings.",
        "Within an hour its registration went from one phone or address to another and back.",
        "settings",
    ),
    "two_phones:addresses": Words(
        "two phones, one account",
        "Its registration goes back and forth between two addresses: two phones share this account, or the phone "
        "has two ways out.",
        "Give each phone its own device (“Add a device” on the extension's page). If there is only one, keep its "
        "router from switching lines.",
        "As two_phones, while the user agent stays the same.",
        "settings",
    ),
    "nat_rebinding": Words(
        "address keeps changing",
        "Its address changes with nearly every renewal: the router in front forgets the phone in between, and calls "
        "may miss it then.",
        "Set the registration expiry in the phone to {suggested_s} seconds, or switch on its keep-alive (every "
        "20 to 30 seconds).",
        "The same phone came from a new port of the same address at least three times, at half of its renewals or "
        "more.",
    ),
    "unexpected_place": Words(
        "unexpected place",
        "It registered from {address}, a network it was not seen in before. If that was not its user, somebody else "
        "knows the password.",
        "Ask the user. If it was not them, make a new password with “New password” on the extension's page.",
        "It is registered from a network it had not used before, for the first time within a day.",
        "password",
    ),
    "lagging": Words(
        "slow network",
        "It answers, but slowly: {rtt_ms} ms on average. Calls will ring late.",
        "Look at the network at the phone's site, and at what else fills its line.",
        "The smoothed round trip of its probes is too long.",
    ),
    "replaced": Words(
        "pushed out",
        "A phone of this account was pushed out by another, as only {max_contacts} may be registered at a time.",
        "Raise “Most contacts at a time” in the device's settings on the extension's page, or give each phone its own "
        "device.",
        "A different phone took the place of one that has not come back.",
        "settings",
    ),
    "wrong_domain": Words(
        "wrong domain",
        "The phone registers at the domain “{tried}”, which is not served here.",
        "In the phone, set the domain (often called SIP server or registrar) to {domain}.",
        "Not online, and somebody with this user name asked for another domain.",
    ),
    "wrong_domain:refused": Words(
        "wrong domain",
        "The phone signs in rightly, but for a domain that is not served here.",
        "In the phone, set the domain (often called SIP server or registrar) to {domain}.",
        "Refused since the last success: signed in rightly, for a domain that is not served.",
    ),
    "wrong_realm": Words(
        "wrong realm",
        "The phone answers with the realm “{tried}”, which is not the one of this server.",
        "In the phone, leave the realm (or authentication domain) empty, or set the domain to {domain}.",
        "Not online, and somebody with this user name answered a challenge that is not ours.",
    ),
    "typo_user": Words(
        "user name mistyped",
        "A phone tries the user name “{tried}”, which does not exist. Did you mean {username}?",
        "In the phone, set the user name to {username}.",
        "Not online, and an address that tried at most three names tried one that is nearly right.",
    ),
    "malformed": Words(
        "unreadable requests",
        "Requests for this phone arrive that cannot be read as SIP.",
        "Update the phone's firmware; if a proxy or a router changes its messages on the way, switch that off there.",
        "Not online, and malformed requests named this peer.",
    ),
    "expired_refused": Words(
        "expired, refused",
        "It expired while its attempts to renew were refused ({reason}).",
        "Remove the reason of the refusals, said above; the phone will then come back by itself.",
        "Said after the refusal's own finding: the last registration ran out, and attempts since were refused.",
    ),
    "expired_silent": Words(
        "expired, silent",
        "It did not renew and expired; nothing has been heard from it since.",
        "See whether the phone has power and network, then restart it.",
        "The last registration ran out, and no attempt of the phone came after it.",
    ),
    "signed_off": Words(
        "signed off",
        "The phone signed off by itself.",
        "Sign in again at the phone, or switch it on.",
        "The phone removed its own registration, and has not come back.",
    ),
    "dropped": Words(
        "dropped by an admin",
        "An admin dropped its registration, and the phone has not registered again yet.",
        "Restart the phone, or wait until it renews by itself.",
        "An admin ended the registration, and nothing was heard since.",
    ),
    "dropped:disabled": Words(
        "was disabled",
        "It was disabled and is enabled again, but the phone has not registered again yet.",
        "Restart the phone, or wait until it tries by itself.",
        "Ended because it was switched off; it is on again, and nothing was heard since.",
    ),
    "dropped:deleted": Words(
        "was deleted",
        "Its registration ended as it was deleted.",
        "Create it again on the Extensions page, and enter the new password in the phone.",
        "Ended by a deletion.",
    ),
    "dropped:credential_changed": Words(
        "password changed",
        "Its password was changed, and the phone has not registered with the new one yet.",
        "Enter the new password in the phone.",
        "Ended by a new password, and nothing was heard since.",
        "password",
    ),
    "flow_closed": Words(
        "connection closed",
        "Its connection closed, and the phone has not connected again.",
        "See whether the phone (or the browser tab) is still running; restart it.",
        "The connection it registered over is gone, and nothing was heard since.",
    ),
    "never_registered": Words(
        "never registered",
        "It has never registered, and no attempt of a phone is known.",
        "Enter server, user name {username} and password in the phone: “New password” on the extension's page makes a "
        "password and shows all three.",
        "No attempt ever succeeded, and nothing above is known.",
        "password",
    ),
    "fine": Words(
        "fine",
        "It is registered and answers us. If calls do not ring, the registrar is not the reason.",
        "Look at the phone (do not disturb, forwarding, volume) and at the phone system's call routing.",
        "Registered, and nothing above is wrong.",
    ),
    "fine:unasked": Words(
        "registered",
        "It is registered and nothing is wrong that we know of. Whether calls reach it was not asked yet.",
        "Switch probes on in the device's settings on the extension's page, or call it.",
        "As fine, while no probe was answered yet or probes are switched off.",
        "settings",
    ),
    "private_contact": Words(
        "private contact",
        "The phone names the private address {contact}; only calls through us, to {address}, can reach it.",
        "Nothing, as long as calls are sent to the received address. Phone systems that use the contact itself need "
        "its router's help.",
        "The Contact is a private address and the packets come from another one.",
    ),
}

SENTENCE_OF_VARIANT: Final[dict[str, str]] = {
    "other_device": "It is online, but another device at {address} that uses this account is refused ({reason}).",
    "elsewhere": "Somebody at {address}, where this phone has never been, is refused with its user name ({reason}).",
    "stranger": "Attempts with this user name from {address} got no answer: that address was blocked.",
}
"""Variants that say it of somebody else; short words and fix are the code's."""

EVIDENCE: Final[dict[str, str]] = {
    "created": "Created",
    "switched_off": "Found disabled",
    "last_success": "Last accepted",
    "began": "Registered (later renewals are not listed)",
    "registered": "Registered from {source}",
    "renewed": "Last renewal from {source}, good for {granted}",
    "due": "Renewal was due; it usually comes every {gap}",
    "due_unlearned": "Renewal was due",
    "refused": "Refused ({reason}), from {source}",
    "challenged": "Asked for its password, no answer, from {source}",
    "password_changed": "Password changed",
    "old_password_until": "The old password was good until then",
    "probes_lost": "Stopped answering at {address} ({lost} probes lost)",
    "probe_answered": "Last answered a probe",
    "rtt": "Answered a probe after {rtt_ms} ms",
    "rtt_unknown": "Answered a probe",
    "moved": "Came from {source}, before from {old_address}",
    "replaced": "Pushed out: {source}",
    "rewritten": "{header} header rewritten, from {source}",
    "tried": "Tried as {username} at {domain}, from {source}",
    "new_network": "First time in this network",
    "known_networks": "Known until then: {networks}",
    "blocked_now": "{address} is in the blocked network {network}",
    "site_heard": "Last heard anything from {address}",
    "site_overdue": "The first of {overdue} phones was due ({online} of {phones} still count as online)",
    "ended": "Registration ended ({reason})",
    "contact": "Contact {contact}, packets from {address}",
}

UNKNOWN_ADDRESS: Final = Phrase("an unknown address")
NOWHERE_ELSE: Final = Phrase("nowhere")
HEADERS: Final[dict[str, Phrase]] = {"contact": Phrase("Contact"), "via": Phrase("Via")}


def words_of(code: str, variant: str = "") -> Words:
    """The words of a finding; of a variant without words of its own, the code's with the variant's sentence."""
    own = WORDS.get(f"{code}:{variant}") if variant else None
    base = own or WORDS[code]
    sentence = base.sentence if own else SENTENCE_OF_VARIANT.get(variant, base.sentence)
    return Words(base.short, sentence, base.fix, base.said, base.action)
