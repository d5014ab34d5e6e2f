/* What a phone sends, what it makes of an answer, and what it does when its time has come. */
static uint64_t latencies_of_second[STEPS];

/* ---- requests ---- */

static int put_authorization(char *out, size_t room, struct phone *phone, uint32_t number) {
	char text[640], response[33], cnonce[17], count[32] = "", opaque[96] = "", protection[64] = "";
	snprintf(cnonce, sizeof cnonce, "%08x%08x", number ^ 0x5bd1e995u, phone->cseq);
	if (phone->has_qop) {
		snprintf(count, sizeof count, "%08x:%s:auth:", phone->nc, cnonce);
		snprintf(protection, sizeof protection, ", qop=auth, cnonce=\"%s\", nc=%08x", cnonce, phone->nc);
	}
	int length = snprintf(text, sizeof text, "%s:%s:%s%s", phone->ha1, phone->nonce, count, ha2);
	md5_hex(response, text, (size_t)length);
	if (phone->opaque[0]) snprintf(opaque, sizeof opaque, ", opaque=\"%s\"", phone->opaque);
	return snprintf(out, room, "Authorization: Digest username=\"%u\", realm=\"%s\", nonce=\"%s\", uri=\"%s\", "
		"response=\"%s\", algorithm=MD5%s%s\r\n", number, realm, phone->nonce, request_uri, response, protection, opaque);
}

/* A phone's own port, the same in each run, as a phone's is after a power cut. Nobody listens there, unless --port
 * says who will. */
static int contact_port(uint32_t index) { return opt.port ? opt.port : 10000 + (int)(index % 50000); }

/* The same bytes until an answer changes the phone's state: what a retransmission has to be. */
static void send_request(uint32_t index) {
	struct phone *phone = &phones[index];
	struct port *port = &ports[index % (uint32_t)opt.sockets];
	uint32_t number = (uint32_t)opt.first + index;
	char *out = port->waiting[port->queued], host[16];
	struct in_addr own = { htonl(port->from[port->queued] = address_of(index)) };
	inet_ntop(AF_INET, &own, host, sizeof host);
	int length = snprintf(out, MESSAGE, "REGISTER %s SIP/2.0\r\nVia: SIP/2.0/UDP %s:%d;branch=z9hG4bKr%08x%08x;rport\r\n"
		"Max-Forwards: 70\r\nFrom: <sip:%u@%s>;tag=t%08x\r\nTo: <sip:%u@%s>\r\nCall-ID: %08x-%s\r\n"
		"CSeq: %u REGISTER\r\nContact: <sip:%u@%s:%d>\r\nExpires: %d\r\n", request_uri, host, port->number, index, phone->cseq,
		number, opt.domain, index * 2654435761u, number, opt.domain, index, run_id, phone->cseq, number, host,
		contact_port(index), opt.expires);
	if (phone->state == PROVING) length += put_authorization(out + length, (size_t)(MESSAGE - length), phone, number);
	length += snprintf(out + length, (size_t)(MESSAGE - length), "User-Agent: load/1.0\r\n"
		"Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, NOTIFY, MESSAGE\r\nSupported: path\r\nContent-Length: 0\r\n\r\n");
	port->lengths[port->queued] = length;
	if (++port->queued == BATCH) flush_port(port);
	total.sent++;
}

static void transmit(uint32_t index, enum state state, uint64_t now) {
	struct phone *phone = &phones[index];
	phone->cseq++;
	if (state == PROVING) phone->nc++;
	phone->state = (uint8_t)state;
	phone->interval_ms = T1_MS;
	due[index] = now + T1_MS * MS;
	send_request(index);
}

static void begin(uint32_t index, uint64_t at, uint64_t now) {
	struct phone *phone = &phones[index];
	int knows = opt.mode != INITIAL && phone->has_nonce;
	if (opt.mode == REFRESH && !phone->acknowledged) knows = 0;
	busy++;
	total.started++;
	total.refreshes += phone->acknowledged != 0;
	phone->began = at;
	phone->challenges = 0;
	transmit(index, knows ? PROVING : ASKING, now);
}

/* A phone that is left to itself tries again as RFC 5626 §4.5 says; the others are begun from outside. */
static void end(uint32_t index, uint64_t again_at) {
	busy--;
	phones[index].state = again_at == NEVER ? IDLE : WAITING;
	due[index] = again_at;
}

static void fail(uint32_t index, uint64_t now) {
	struct phone *phone = &phones[index];
	total.failures++;
	phone->has_nonce = 0;
	if (opt.mode == PHONES) {
		double wait = fmin(1800, 30 * pow(2, phone->failures_in_a_row++));
		end(index, now + (uint64_t)((0.5 + chance() / 2) * wait * 1e9));
	} else end(index, NEVER);
}

/* ---- answers ---- */

/* The value of the first header field of that name ("Name:") after `from`, its end in *end; NULL if there is none. */
static char *field(char *from, const char *name, char **end_of_value) {
	size_t length = strlen(name);
	for (char *line = strstr(from, "\r\n"); line && line[2] != '\r'; line = strstr(line + 2, "\r\n"))
		if (!strncasecmp(line + 2, name, length)) {
			*end_of_value = strstr(line + 2, "\r\n");
			return *end_of_value ? line + 2 + length : NULL;
		}
	return NULL;
}

static int parameter(const char *from, const char *to, const char *name, char *out, size_t room) {
	size_t length = strlen(name), size = 0;
	for (const char *at = from; at + length < to; at++) {
		if (strncasecmp(at, name, length) || at[length] != '=' || (at > from && !strchr(" ,\t;", at[-1]))) continue;
		at += length + 1;
		const char *ends = *at == '"' ? "\"\r" : ",; \t\r";
		if (*at == '"') at++;
		while (at < to && !strchr(ends, *at) && size + 1 < room) out[size++] = *at++;
		out[size] = 0;
		return 1;
	}
	return 0;
}

static void compute_ha1(struct phone *phone, uint32_t number) {
	char text[400];
	int length = snprintf(text, sizeof text, "%u:%s:%s%u", number, realm, opt.prefix, number);
	md5_hex(phone->ha1, text, (size_t)length);
	phone->has_ha1 = 1;
}

/* Takes the first MD5 challenge of the 401 (RFC 8760 §2.4: one a phone does not know is passed over). */
static int take_challenge(uint32_t index, char *answer, int *stale) {
	struct phone *phone = &phones[index];
	char *to, *at = answer;
	while ((at = field(at, "WWW-Authenticate:", &to))) {
		char algorithm[32] = "MD5", qop[64] = "", flag[8] = "", named[128] = "";
		parameter(at, to, "algorithm", algorithm, sizeof algorithm);
		if (!strcasecmp(algorithm, "MD5") && parameter(at, to, "realm", named, sizeof named) &&
			parameter(at, to, "nonce", phone->nonce, sizeof phone->nonce)) {
			phone->opaque[0] = 0;
			parameter(at, to, "opaque", phone->opaque, sizeof phone->opaque);
			phone->has_qop = parameter(at, to, "qop", qop, sizeof qop) && strstr(qop, "auth");
			*stale = parameter(at, to, "stale", flag, sizeof flag) && !strcasecmp(flag, "true");
			if (strcmp(realm, named)) {
				strcpy(realm, named);
				for (int i = 0; i < opt.users; i++) phones[i].has_ha1 = 0;
			}
			if (!phone->has_ha1) compute_ha1(phone, (uint32_t)opt.first + index);
			phone->nc = 0;
			return phone->has_nonce = 1;
		}
		at = to - 1;
	}
	return 0;
}

static double seconds_of(char *answer, const char *name) {
	char *to, *at = field(answer, name, &to);
	return at ? atof(at) : -1;
}

static double granted_s(char *answer) {
	char text[16], *to, *at = field(answer, "Contact:", &to);
	if (at && parameter(at, to, "expires", text, sizeof text)) return atof(text);
	double all = seconds_of(answer, "Expires:");
	return all < 0 ? opt.expires : all;
}

static void accept_answer(uint32_t index, char *answer, uint64_t now) {
	struct phone *phone = &phones[index];
	uint64_t took = now - phone->began;
	char *to, *at = field(answer, "Authentication-Info:", &to);
	total.done++;
	total.latency_ns += took;
	total.first_done += phone->acknowledged == 0;
	latencies_of_second[step_of(took / 1000)]++;
	if (measuring) {
		latencies[step_of(took / 1000)]++;
		if (took / 1000 > slowest_us) slowest_us = took / 1000;
	}
	phone->acknowledged = phone->cseq;
	phone->failures_in_a_row = 0;
	double granted = granted_s(answer);
	phone->valid_until = now + (uint64_t)(granted * 1e9);
	if (at && parameter(at, to, "nextnonce", phone->nonce, sizeof phone->nonce)) phone->nc = 0;
	end(index, opt.mode == PHONES ? now + (uint64_t)(granted * opt.refresh_at * 1e9) : NEVER);
}

static void take_answer(char *answer, int length, uint64_t now) {
	answer[length] = 0;
	total.received++;
	char *branch = strstr(answer, "z9hG4bKr"), number[9] = "";
	if (!branch || strlen(branch) < 24 || (opt.mode != ECHO && strncmp(answer, "SIP/2.0 ", 8))) return;
	uint32_t index = (uint32_t)strtoul(strncpy(number, branch + 8, 8), NULL, 16);
	uint32_t cseq = (uint32_t)strtoul(strncpy(number, branch + 16, 8), NULL, 16);
	int code = opt.mode == ECHO ? 200 : atoi(answer + 8), stale = 0;
	if (index >= (uint32_t)opt.users || code < 100 || code > 699) return;
	struct phone *phone = &phones[index];
	total.codes[code]++;
	if (phone->state < ASKING || phone->cseq != cseq) total.duplicates++;
	else if (code < 200) return;
	else if (code == 200) accept_answer(index, answer, now);
	else if (code == 401 && phone->challenges++ < CHALLENGES && take_challenge(index, answer, &stale)) {
		if (phone->state == PROVING) total.stale++;
		else total.challenges++;
		transmit(index, PROVING, now);
	} else if (code == 503 && seconds_of(answer, "Retry-After:") >= 0) {
		total.deferred++;
		end(index, now + (uint64_t)(seconds_of(answer, "Retry-After:") * 1e9));
	} else fail(index, now);
}

/* ---- the phones' own clocks ---- */

static void on_timer(uint32_t index, uint64_t now) {
	struct phone *phone = &phones[index];
	if (phone->state == WAITING && opt.mode != PHONES) {
		phone->state = IDLE; /* deferred long enough: it may be begun again */
		due[index] = NEVER;
	} else if (phone->state < ASKING) begin(index, due[index], now);
	else if (now - phone->began > (uint64_t)(opt.timeout * 1e9)) {
		total.timeouts++;
		fail(index, now);
	} else {
		phone->interval_ms = phone->interval_ms * 2 > T2_MS ? T2_MS : phone->interval_ms * 2;
		due[index] = now + phone->interval_ms * MS;
		total.retransmissions++;
		send_request(index);
	}
}

/* Looks at a part of the phones at a time, so that answers are read meanwhile. */
static void run_timers(uint64_t now) {
	static int at;
	static uint64_t round_began;
	if (at == 0) {
		if (now - round_began < 5 * MS) return;
		round_began = now;
	}
	int acted = 0;
	for (int looked = 0; at < opt.users && acted < 512 && looked < 100000; at++, looked++)
		if (due[at] <= now) on_timer((uint32_t)at, now), acted++;
	if (at == opt.users) at = 0;
}
