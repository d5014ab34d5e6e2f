"""The 118 sentences the registrar is held to, in our words: number, weight, where it is from, what must hold.

Weight: M must, S should, N nice to have. § alone is RFC 3261.
"""

from typing import Final

SENTENCES: Final = """
C01 M §7.3.1 compact and oddly cased header names read like the long ones
C02 M §7.3.1 a folded line reads as one space
C03 M §25.1 spaces and tabs before the colon are read past; any other control byte there is 400
C04 M §7.3.1 contacts on several lines, with commas, or both are the same contacts in the same order
C05 M §25.1 separators inside a quoted display name separate nothing
C06 M §20.10 parameters of a Contact without <> are the header's, with <> the URI's
C07 M §20.10 a Contact with ? and without <> is 400 and changes nothing
C08 M §8.1.1 a missing mandatory header is 400, or silence without a usable Via; none is invented
C09 M §7.3.1 doubled To, From, Call-ID, CSeq or differing Content-Length are 400
C10 M §8.1.1.5 a CSeq of another method or above 2^32-1 is 400
C11 M §18.3 Content-Length beyond the datagram, negative or no number is 400; below it, it cuts
C12 M §21.5.6 another SIP version is 505; sip/2.0 in any case is accepted
C13 M §19.1.2 %HH is undone once in user and parameters, never in the method
C14 M RFC 4475 %00, control characters and bytes that are not UTF-8 are no fault of ours and reach no database
C15 M §7 noise on the port gets silence
C16 M §7 what is over a limit is refused at a cost linear in its length and changes nothing
C17 S RFC 5118 IPv6 references are read in Via, URI and received
C18 M §18.1.2 responses get silence, whatever their code
C19 S §8.2.2 unknown headers, and malformed ones nobody needs, are ignored
C20 M §18.2.1 a sent-by that is not the source's address gains received
C21 M RFC 3581 §4 an empty rport is filled in and the answer goes to the source address and port
C22 M §18.2.2 without rport the answer goes to the source address and the sent-by port
C23 S §18.2.2 maddr is not followed (against reflection, on purpose)
C24 M RFC 3581 §4 the answer leaves from the address and port the request came to
C25 M §8.2.6.2 all Vias return in order and only the top one is touched
C26 M §18.1.1 an answer with 20 contacts is complete
C27 S §18 TCP on the same port behaves the same
C28 S §18.3 TCP is framed by Content-Length; an idle connection lives at least 64*T1
C29 M §8.2.1 calls go to the call process; other known methods are 405 with Allow, unknown ones 501; ACK gets silence
C30 M §9.2 CANCEL without its transaction is 481
C31 M §8.2.2.3 420 lists exactly the unknown Require tags and nothing changes
C32 S §20.29 Proxy-Require is not ours to look at
C33 M §8.2.2.1 a Request-URI scheme other than sip and sips is 416
C34 S §8.2.3 a body of a type we do not know is 415 with Accept, unless it is optional
C35 M §16.3 Max-Forwards 0 is no matter for the server it is for
C36 M §8.2.6.2 From, Call-ID and CSeq return unchanged; To gains one tag, the same for each repeat
C37 S §8.2.6.1 REGISTER gets no provisional answer and never 408
C38 S §8.2.2.2 the same request come another way is 482
C39 M §11.2 OPTIONS is 200 with Allow, Accept, Supported, and tells nothing about users
C40 M §10.3 no answer is ever 6xx; Record-Route is ignored
C41 S §20.35 no answer tells the version
C42 M §17.2.2 a repeat within 32 s gets the same bytes and changes nothing
C43 M §17.2.2 a repeat while the first is at work starts nothing
C44 M §17.2.2 a repeat at another or a restarted worker is still a repeat
C45 S §17.2.3 without the magic cookie, repeats are known by the old rule
C46 M §8.2.7 the challenge of a request is made without keeping anything, with the same To tag each time
C47 M §17.2.2 the repeat of an authenticated request is no replay
C48 S §17.2.2 what is kept for repeats is bounded and goes
C49 M §10.3 a domain that is not ours is 404
C50 S §10.2 a user part in the Request-URI is ignored
C51 M §10.3 an unknown Require is 420 before any change
C52 M §10.3 no credentials: 401 with a fresh nonce, nothing changes
C53 M §10.3 another user's address is 403, whether it exists or not
C54 M §10.3 a To of another domain is 404, one that is not sip or sips 400
C55 M §10.3 the address-of-record is canonical: no escapes, parameters or capitals
C56 M §10.3 another Call-ID updates the contact whatever its CSeq
C57 M §10.3 no Contact lists all bindings and changes nothing
C58 M §10.3 Contact: * with Expires: 0 removes all
C59 M §10.3 Contact: * with any other Expires is 400
C60 M §10.3 Contact: * beside another Contact is 400
C61 M §10.3 Contact: * with a CSeq that does not rise removes nothing
C62 M §10.3 expiry is the parameter, else the header, else the default, for each contact
C63 M §10.3 too short an expiry is 423 with Min-Expires; 0 never is
C64 M §10.3 more than the maximum is granted as the maximum
C65 M §10.2.1 a malformed expiry is as none; 2^32 and more is the maximum
C66 M §10.3 more contacts than allowed are 403, or the oldest goes, as configured
C67 M §10.3 an equal contact is the same binding
C68 M §10.3 a lower CSeq of the same call is 400
C69 S §10.3 the same CSeq again is accepted, or 400 where set strict
C70 M §10.2.2 expires=0 removes that contact alone
C71 M §10.3 one bad contact spoils the whole request
C72 M §10.3 no 200 before the commit; a database that is down is 503 with Retry-After
C73 M §10.3 the 200 lists all current bindings and no others
C74 S §20.17 the 200 carries the Date
C75 M §20.10 q from 0 to 1 with three decimals is kept; anything else is 400
C76 M §10.3 requests of one address act in some order
C77 M §10.3 from the instant of expiry a binding is gone
C78 S §10.2.1 a contact that is no SIP URI is 400 by policy
C79 S §10.3 a Contact in the 200 has q, expires, instance, reg-id and GRUUs after the URI, nothing else
C80 M §10.3 where and when a binding came is kept, and not touched by a sign-off from elsewhere
C81 M §10.2 From decides nothing
C82 M §19.1.4 scheme, host and parameter names compare without case, the user with it
C83 M §19.1.4 sips is not sip, a written port not a default one, transport=udp not none
C84 M §19.1.4 user, ttl, method, maddr and transport count even in one URI only; others only in both
C85 M §19.1.4 header parts must be the same set
C86 S §19.1.4 spellings of one IPv6 address are equal
C87 M RFC 7616 §3.3 an expired nonce is stale=true; a wrong digest is not, and gets its own nonce again
C88 M RFC 8760 §2 qop="auth" always; one challenge for each algorithm, in the domain's order
C89 M RFC 7616 §3.9.1 the vectors come out right
C90 M RFC 7616 §3.4 no algorithm means MD5; one not offered is 401
C91 M §22 unknown user, wrong password and disabled look the same
C92 M RFC 7616 §5.5 a nonce count that does not rise is stale and changes nothing
C93 M RFC 7616 §5.4 a nonce that is not ours for this source and realm is challenged without a look-up
C94 M §22 Basic is neither offered nor accepted; unknown schemes are none
C95 M §22 mangled credentials are 400 or 401
C96 S §22.4 a digest uri that differs from the Request-URI is let through, as real tools need
C97 M RFC 7616 §5 comparison takes constant time; an unknown user costs the same hash
C98 M RFC 7616 §5 only hashes of passwords are stored, encrypted if the site has a key
C99 M §22 a changed password and a disabled user act at once
C100 S RFC 2069 credentials without qop are refused unless switched on, and never without a count
C101 N RFC 7616 SHA-512-256 and nextnonce; userhash and auth-int are neither offered nor accepted
C102 M §10.3 the packet's source is kept beside the contact
C103 M RFC 3327 §5.3 Path is stored in order and returned; without Supported: path it is 420
C104 S RFC 3327 §6 Path is taken from configured edge proxies only
C105 S RFC 5626 §6 instance and reg-id name the binding, whatever the URI
C106 S RFC 5626 §4.1 an instance is compared byte by byte and returned with its <>
C107 S RFC 5626 §6 reg-id without an instance is ignored; reg-id 0 or text is 400
C108 S RFC 5626 §6 Require: outbound where applied; 439 where the first hop lacks it
C109 N RFC 5626 Flow-Timer, and an answer to keep-alives: CRLF over connections, STUN over UDP
C110 N RFC 5627 public and temporary GRUUs for who asks with an instance
C111 N RFC 3680 SUBSCRIBE to reg: full, then partial state
C112 N RFC 3608 Service-Route as configured
C113 N RFC 6140 Require: gin is 420
C114 N RFC 7118 SIP over WebSocket, subprotocol sip
C115 M §26 trust in a trunk looks at the packet's source alone
C116 M §26 an IPv4-mapped address is its IPv4 address; a list of one family says nothing of the other
C117 M §26 an empty or unreadable list trusts nobody
C118 M §26 a trunk registers nobody without a digest; a wide network needs a second word
""".strip()
