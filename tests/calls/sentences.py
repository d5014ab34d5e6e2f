"""What the proxy is held to, in our words: number, weight, where it is from, what must hold.

Weight: M must, S should, N nice to have. § alone is RFC 3261.
"""

from typing import Final

SENTENCES: Final = """
P01 M §16.3 a Request-URI of another scheme than sip and sips is 416
P02 M §16.3 Max-Forwards 0 is 483, one that is no number 400
P03 M §16.3 what comes back as it left is 482; under another Request-URI it is a spiral and goes on
P04 M §16.3 Proxy-Require is 420 and lists every tag
P05 M §16.3 what is malformed gets its answer, a malformed ACK and noise silence
P06 M §18.3 a request without Content-Length on a stream is 400
P07 S §8.2.7 an answer that a repeat would get again keeps nothing
P08 M §16.4 Routes that name us are taken off before anybody decides
P09 M §16.4 a strict router before us is understood: the Request-URI is restored from the last Route
P10 M §26 a Route that is not ours is not followed: 403
P11 M §26 a token that is forged, bent or of another call is 403; one in a request that begins something leads nowhere
P12 M RFC 5658 what we put in twice is taken out twice, under whichever of our names
P13 M §16.2 an INVITE is 100 at once and asked for once; a question nobody answers is 500
P14 M §17.2.1 a refusal of ours is repeated until its ACK
P15 M §16.6 the hops of a group ring at once, groups one after the other
P16 M §16.6 a group that rang long enough is cancelled and the next rings; whoever answers late wins still
P17 M §16 one request has 20 hops at most
P18 M §21.4.18 a call that leads nowhere is 480
P19 M §16.6 the Request-URI is the hop's, without header fields
P20 M §16.6 what is not ours to change leaves byte for byte, in its order
P21 M §16.6 Max-Forwards is one less, or 70 if there was none
P22 M §16.6 what forms a dialog gets our Record-Route above all others, anything else none
P23 M RFC 5658 where we are called otherwise on each side, each gets its name
P24 M §16.6 a sips URI gives a sips Record-Route
P25 M §16.6 the hop's Routes go before the others; a strict router gets its own URI in the Request-Line
P26 M §16.6 our Via is on top, with a branch of its own for each hop
P27 M §16.6 a missing Content-Length is added
P28 S §22.3 credentials for our realm go no further, those for others do
P29 M RFC 3325 §5 the asserted identity is the one decided here, in place of any claimed
P30 M §16.6 no text of a verdict becomes a header line of its own
P31 M §18.2.1 the Via below ours says where the packet came from
P32 M §16.7 an answer loses our Via and nothing else
P33 M §16.7 an answer that is for nobody behind us is dropped
P34 M §16.7 a 100 stays here, other provisional answers go back, after the final one none does
P35 M §16.7 every 2xx to an INVITE goes back, with its repeats
P36 M RFC 3326 those who lost are cancelled, with the reason that somebody else answered
P37 M §16.7 a 6xx ends it for all
P38 M §16.7 the best answer: 6xx, then the lowest class, in 4xx first what the caller can mend
P39 M §16.7 a 401 or 407 carries the challenges of all
P40 S §16.7 a 503 goes back as 500
P41 M §16.7 of anything but an INVITE one final answer goes back
P42 M §16.7 where nobody answers an INVITE it is 408
P43 N RFC 6026 §7.3 a 2xx that nobody here waits for finds its caller by the token, or is dropped
P44 M §16.7 a 2xx goes back even after another final answer
P45 M §16.8 Timer C ends what rings for ever; provisional answers but 100 set it anew
P46 M §16.9 a hop that cannot be reached is over, and the others decide
P47 M RFC 5626 §5.3.1 a lost connection counts as 430, which to a caller is 480
P48 M §18.3 an answer cut short is dropped; one without a length gets it
P49 M §17.1.3 an answer belongs to a request by branch and method
P50 M §16.10 CANCEL is 200, and goes to each hop as soon as that said something
P51 M §16.10 a cancelled INVITE is 487 when its hops have ended; no further hop is tried
P52 M §9.2 CANCEL without its transaction is 481
P53 M §9.2 CANCEL before anybody knew where to is 487 at once
P54 S RFC 3326 the caller's reasons go along
P55 M §9.1 a 2xx that crosses a CANCEL goes back; CANCEL after the answer changes nothing
P56 S RFC 5626 §5.3 a caller whose connection is gone has hung up
P57 M §17.1.1 an INVITE over UDP is repeated at doubling intervals (Timer A)
P58 M §17.1.1 a provisional answer ends the repeats
P59 M §17.1.1 without any answer it ends after 64*T1 (Timer B)
P60 M §17.1.1 nothing is repeated over a connection
P61 M §17.1.1.3 the ACK of a refusal has the Request-URI, Via and Routes of the INVITE, and is repeated
P62 M §17.1.2 anything else over UDP is repeated up to every 4 s (Timer E)
P63 M RFC 4320 §4.2 nobody says 408 to anything but an INVITE
P64 M §17.2.1 a refusal over UDP is repeated up to 64*T1 (Timers G and H), over a connection it leaves once
P65 M §17.2.2 the final answer to anything else is said again when asked (Timer J)
P66 M §17.2.3 repeats are known by their branch, without the magic cookie by the old rule, and get the last answer
P67 S §17.2.3 another sender's branch, or a branch used for the next request, is another transaction
P68 M RFC 6026 §7.1 an answered INVITE that comes again is absorbed, its 2xx passes for 64*T1
P69 M §12.2 within a dialog our token alone says where to; either end may have moved
P70 M §16.6 after a restart with the same key BYE goes both ways
P71 M §16.6 requests within a dialog go on as transactions, without a question
P72 M §16.11 the ACK of a 2xx goes on by its token with nothing kept, without one it is dropped
P73 M RFC 5626 §5.3.1 within a dialog a lost connection is 430
P74 M RFC 6665 §4.3 a NOTIFY, which may come before the answer, gets the same Record-Route
P75 M RFC 5626 §5.3 the token names the connection
P76 M §21.5.4 beyond the most calls new ones are 503 with Retry-After; who is in a call may end it
P77 M §17 of everything that ended nothing is left
P78 M §7 whatever bytes come, nothing raises, all that leaves can be read, nothing stays
P79 M RFC 5626 §5.3.2 what another host of ours holds goes to that host, and from there on; so does all of its dialog
P80 M §26.3.2 a host sends on what another of ours let in for that call, and nothing else
P81 S §17.1.1.2 who never said anything holds up the others' answer, or the next to be tried, for 4 s and not 64*T1
P82 M RFC 3325 §7 who asks for Privacy: id is named to nobody, neither as asserted here nor as it came
""".strip()
