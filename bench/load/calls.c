/* calls: one socket calls, another is called, through a proxy over UDP; says how it went as JSON lines on stdout.
 *
 * A call is INVITE, 180, 200, ACK, BYE, 200; with --redirect INVITE, 302, ACK. Both ends are here, so the caller's clock
 * is the callee's. It calls the users FIRST.., who have to be registered at 127.0.0.1:CALLEE. Timers A, B, E, F and G of
 * RFC 3261. Must not speak to anybody outside 127.0.0.0/8.
 *
 * Build: cc -O2 -o calls calls.c -lm        Use: calls --help
 */
#include "clock.h"
#include "latencies.h"

enum { TEXT = 1400, ROUTES = 1200 };
/* Of a call as the caller sees it. */
enum phase { FREE, INVITED, RINGING, TALKING, LEAVING };

struct call {
	uint64_t began, due, answer_due;
	uint32_t generation, number, caller_wait_ms, callee_wait_ms;
	uint8_t phase, answering; /* answering: a 200 of the callee has no ACK yet */
	int answer_length;
	char uri[256], routes[ROUTES], to_tag[80], answer[TEXT * 2];
};

static struct {
	const char *domain;
	struct sockaddr_in server, caller, callee;
	int users, first, window, redirect;
	double seconds, warmup, rate, ring, hold, timeout;
} use = { .domain = "bench.local", .users = 1000, .first = 100000, .window = 64, .seconds = 5, .warmup = 1, .timeout = 32 };

static struct { uint64_t started, done, failed, sent, received, retransmissions, codes[700]; } sum, before;
static struct call *calls;
static int caller_fd, callee_fd, in_use;
static uint64_t setups[STEPS], scheduled;
static int measuring;
static uint32_t next_user;
static char run[16], caller_at[32], callee_at[32];

static void fail_with(const char *what) { perror(what), exit(2); }

static void put(int fd, const struct sockaddr_in *to, const char *text, int length) {
	sum.sent++;
	while (sendto(fd, text, (size_t)length, 0, (const void *)to, sizeof *to) < 0 && errno == EAGAIN) poll(NULL, 0, 1);
}

static void put_caller(const char *text, int length) { put(caller_fd, &use.server, text, length); }

/* ---- the caller ---- */

static int head(char *out, const struct call *call, const char *method, uint32_t cseq, const char *uri, int is_ack) {
	uint32_t slot = (uint32_t)(call - calls);
	return snprintf(out, TEXT, "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bKc%s%08x%08x%u%s;rport\r\n%s"
		"Max-Forwards: 70\r\nFrom: <sip:%s@%s>;tag=f%08x\r\nTo: <sip:%u@%s>%s\r\nCall-ID: %s-%08x-%08x\r\n"
		"CSeq: %u %s\r\n", method, uri, caller_at, run, slot, call->generation, cseq, is_ack ? "a" : "", call->routes,
		use.redirect ? "redirect" : "carrier", use.domain, slot, call->number, use.domain, call->to_tag, run, slot, call->generation, cseq, method);
}

static const char SDP[] = "v=0\r\no=c 1 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0 8 101\r\n"
	"a=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n";

static void invite(struct call *call) {
	char out[TEXT * 2], uri[128];
	snprintf(uri, sizeof uri, "sip:%u@%s", call->number, use.domain);
	int length = head(out, call, "INVITE", 1, uri, 0);
	length += snprintf(out + length, sizeof out - (size_t)length, "Contact: <sip:carrier@%s>\r\nUser-Agent: calls/1.0\r\n"
		"Allow: INVITE, ACK, CANCEL, BYE\r\nContent-Type: application/sdp\r\nContent-Length: %zu\r\n\r\n%s", caller_at,
		sizeof SDP - 1, SDP);
	put_caller(out, length);
}

static void simple(struct call *call, const char *method, uint32_t cseq, const char *uri, int is_new) {
	char out[TEXT * 2];
	int length = head(out, call, method, cseq, uri, is_new);
	length += snprintf(out + length, sizeof out - (size_t)length, "Content-Length: 0\r\n\r\n");
	put_caller(out, length);
}

static void begin_call(uint64_t at, uint64_t now) {
	for (int i = 0; i < use.window; i++) {
		struct call *call = &calls[i];
		if (call->phase != FREE || call->answering) continue;
		call->generation++;
		call->number = (uint32_t)use.first + next_user++ % (uint32_t)use.users;
		call->phase = INVITED, call->began = at, call->caller_wait_ms = T1_MS, call->due = now + T1_MS * MS;
		call->routes[0] = call->to_tag[0] = 0;
		in_use++, sum.started++;
		invite(call);
		return;
	}
}

static void end_call(struct call *call, int is_good, uint64_t now) {
	(void)now;
	call->phase = FREE, call->due = NEVER;
	in_use--;
	if (is_good) sum.done++;
	else sum.failed++;
}

/* The value of the first header of that name at or after `from`; its end in *end. */
static char *value(char *from, const char *name, char **end) {
	size_t length = strlen(name);
	for (char *line = strstr(from, "\r\n"); line && line[2] != '\r'; line = strstr(line + 2, "\r\n"))
		if (!strncasecmp(line + 2, name, length) && line[2 + length] == ':') {
			char *at = line + 3 + length;
			while (*at == ' ') at++;
			*end = strstr(at, "\r\n");
			return *end ? at : NULL;
		}
	return NULL;
}

/* The route set of a caller is the Record-Routes in reverse order (§12.1.2); the target is the Contact. */
static void take_dialog(struct call *call, char *text) {
	char *end, *at = text, kept[ROUTES];
	call->routes[0] = 0;
	while ((at = value(at, "Record-Route", &end))) {
		if ((size_t)(end - at) + strlen(call->routes) + 16 > sizeof kept) return;
		int length = sprintf(kept, "Route: %.*s\r\n", (int)(end - at), at);
		strcpy(kept + length, call->routes);
		strcpy(call->routes, kept);
		at = end - 1;
	}
	if ((at = value(text, "Contact", &end)) && *at == '<') {
		char *close = memchr(at, '>', (size_t)(end - at));
		if (close) snprintf(call->uri, sizeof call->uri, "%.*s", (int)(close - at - 1), at + 1);
	}
	if ((at = value(text, "To", &end))) {
		char *tag = strstr(at, ";tag=");
		if (tag && tag < end) snprintf(call->to_tag, sizeof call->to_tag, "%.*s", (int)(end - tag), tag);
	}
}

static struct call *call_of(char *text) {
	char *end, *at = value(text, "Call-ID", &end);
	unsigned slot, generation;
	size_t length = strlen(run);
	if (!at || strncmp(at, run, length) || sscanf(at + length, "-%8x-%8x", &slot, &generation) != 2) return NULL;
	if (slot >= (unsigned)use.window || calls[slot].generation != generation) return NULL;
	return &calls[slot];
}

static void note(uint64_t *steps, uint64_t began, uint64_t now) {
	if (measuring) steps[step_of((now - began) / 1000)]++;
}

static void take_final(struct call *call, int status, char *text, uint64_t now) {
	char uri[128], *end, *to = value(text, "To", &end), *tag = to ? strstr(to, ";tag=") : NULL;
	snprintf(uri, sizeof uri, "sip:%u@%s", call->number, use.domain);
	if (tag && tag < end) snprintf(call->to_tag, sizeof call->to_tag, "%.*s", (int)(end - tag), tag);
	simple(call, "ACK", 1, uri, 0);
	if (call->phase != INVITED && call->phase != RINGING) return;
	sum.codes[status]++;
	if (status == 302 && use.redirect) note(latencies, call->began, now);
	end_call(call, status == 302 && use.redirect, now);
}

static void take_answer_of_call(char *text, uint64_t now) {
	struct call *call = call_of(text);
	char *end, *cseq = value(text, "CSeq", &end);
	int status = atoi(text + 8);
	if (!call || !cseq || status < 100 || status > 699) return;
	if (atoi(cseq) == 2) {
		if (status >= 200 && call->phase == LEAVING) end_call(call, status == 200, now);
		return;
	}
	if (status < 200) {
		if (call->phase == INVITED && status >= 180) note(latencies, call->began, now);
		if (call->phase == INVITED && status >= 180) call->phase = RINGING;
		call->due = now + (uint64_t)(use.timeout * 1e9);
		return;
	}
	if (status >= 300) {
		take_final(call, status, text, now);
		return;
	}
	if (call->phase == INVITED || call->phase == RINGING) {
		if (call->phase == INVITED) note(latencies, call->began, now);
		note(setups, call->began, now);
		take_dialog(call, text);
		call->phase = TALKING, call->due = now + (uint64_t)(use.hold * 1e9);
	}
	if (call->phase == TALKING || call->phase == LEAVING) simple(call, "ACK", 1, call->uri, 1);
}

static void caller_due(struct call *call, uint64_t now) {
	if (call->phase == TALKING) call->phase = LEAVING, call->caller_wait_ms = T1_MS, call->began = now;
	else if ((double)(now - call->began) / 1e9 > use.timeout || call->phase == RINGING) {
		end_call(call, 0, now);
		return;
	} else {
		sum.retransmissions++;
		call->caller_wait_ms *= 2;
	}
	call->due = now + call->caller_wait_ms * MS;
	if (call->phase == INVITED) invite(call);
	else simple(call, "BYE", 2, call->uri, 0);
}

/* ---- the callee ---- */

static int put_headers(char *out, char *text, const char *status, const char *tag) {
	static const char *COPIED[] = { "Via", "Record-Route", "From", "To", "Call-ID", "CSeq" };
	int length = snprintf(out, TEXT, "SIP/2.0 %s\r\n", status);
	for (int i = 0; i < 6; i++) {
		char *end, *at = text;
		while ((at = value(at, COPIED[i], &end)) && length < TEXT) {
			length += snprintf(out + length, TEXT - (size_t)length, "%s: %.*s%s\r\n", COPIED[i], (int)(end - at), at,
				i == 3 && !memmem(at, (size_t)(end - at), ";tag=", 5) ? tag : "");
			at = end - 1;
		}
	}
	return length;
}

static void take_request(char *text, const struct sockaddr_in *from, uint64_t now) {
	static const char TAG[] = ";tag=callee";
	char out[TEXT * 2];
	struct call *call = call_of(text);
	if (!strncmp(text, "ACK ", 4)) {
		if (call) call->answering = 0, call->answer_due = NEVER;
		return;
	}
	if (strncmp(text, "INVITE ", 7)) {
		int length = put_headers(out, text, "200 OK", TAG);
		length += snprintf(out + length, sizeof out - (size_t)length, "Content-Length: 0\r\n\r\n");
		put(callee_fd, from, out, length);
		return;
	}
	if (!call) return;
	int length = put_headers(out, text, "180 Ringing", TAG);
	length += snprintf(out + length, sizeof out - (size_t)length, "Contact: <sip:callee@%s>\r\nContent-Length: 0\r\n\r\n", callee_at);
	put(callee_fd, from, out, length);
	if (call->answering) return; /* a repeat */
	call->answer_length = put_headers(call->answer, text, "200 OK", TAG);
	call->answer_length += snprintf(call->answer + call->answer_length, sizeof call->answer - (size_t)call->answer_length,
		"Contact: <sip:callee@%s>\r\nContent-Type: application/sdp\r\nContent-Length: %zu\r\n\r\n%s", callee_at, sizeof SDP - 1, SDP);
	call->answering = 1, call->callee_wait_ms = T1_MS, call->answer_due = now + (uint64_t)(use.ring * 1e9);
}

static void callee_due(struct call *call, uint64_t now) {
	put(callee_fd, &use.server, call->answer, call->answer_length);
	call->answer_due = now + call->callee_wait_ms * MS;
	if (call->callee_wait_ms > T1_MS) sum.retransmissions++;
	if ((call->callee_wait_ms *= 2) > 64 * T1_MS) call->answering = 0, call->answer_due = NEVER;
}

/* ---- all of it ---- */

static void hear(int fd, uint64_t now) {
	static char text[8192];
	struct sockaddr_in from;
	socklen_t size = sizeof from;
	ssize_t length;
	while ((length = recvfrom(fd, text, sizeof text - 1, MSG_DONTWAIT, (void *)&from, &size)) > 0) {
		text[length] = 0;
		sum.received++;
		if (strncmp(text, "SIP/2.0 ", 8)) take_request(text, &from, now);
		else take_answer_of_call(text, now);
		now = now_ns();
	}
}

static int open_at(struct sockaddr_in *own, char *name, size_t room) {
	int fd = socket(AF_INET, SOCK_DGRAM, 0), bytes = 16 << 20;
	socklen_t size = sizeof *own;
	char host[16];
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
	if (bind(fd, (void *)own, sizeof *own) || fcntl(fd, F_SETFL, O_NONBLOCK)) fail_with("calls: socket");
	getsockname(fd, (void *)own, &size);
	inet_ntop(AF_INET, &own->sin_addr, host, sizeof host);
	snprintf(name, room, "%s:%d", host, ntohs(own->sin_port));
	return fd;
}

static void set_address(struct sockaddr_in *address, const char *text) {
	char host[64];
	const char *colon = strrchr(text, ':');
	snprintf(host, sizeof host, "%.*s", (int)(colon ? colon - text : (long)strlen(text)), text);
	address->sin_family = AF_INET, address->sin_port = htons((uint16_t)(colon ? atoi(colon + 1) : 0));
	if (inet_pton(AF_INET, host, &address->sin_addr) != 1 || ntohl(address->sin_addr.s_addr) >> 24 != 127) {
		fprintf(stderr, "calls: %s: only 127.0.0.0/8 is called, as 127.0.0.1:5060\n", text);
		exit(2);
	}
}

static void tell(const char *event) {
	printf("{\"event\": \"%s\"}\n", event);
	fflush(stdout);
}

static void tell_result(double seconds, double cpu) {
	printf("{\"event\": \"result\", \"seconds\": %.3f, \"done\": %llu, \"per_s\": %.1f, \"started\": %llu, \"failures\": %llu, "
		"\"retransmissions\": %llu, \"deferred\": %llu, \"sent\": %llu, \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"p999_ms\": %.3f, "
		"\"setup_p50_ms\": %.3f, \"setup_p99_ms\": %.3f, \"client_cpu_s\": %.3f, \"stalled_ms\": 0, \"codes\": {", seconds,
		(unsigned long long)(sum.done - before.done), (double)(sum.done - before.done) / seconds,
		(unsigned long long)(sum.started - before.started), (unsigned long long)(sum.failed - before.failed),
		(unsigned long long)(sum.retransmissions - before.retransmissions),
		(unsigned long long)(sum.codes[503] - before.codes[503]), (unsigned long long)(sum.sent - before.sent),
		percentile_ms(latencies, 0.5), percentile_ms(latencies, 0.99), percentile_ms(latencies, 0.999),
		percentile_ms(setups, 0.5), percentile_ms(setups, 0.99), cpu);
	for (int code = 0, first = 1; code < 700; code++)
		if (sum.codes[code]) printf("%s\"%d\": %llu", first ? "" : ", ", code, (unsigned long long)sum.codes[code]), first = 0;
	printf("}}\n");
	fflush(stdout);
}

static const char HELP[] =
	"calls --server 127.0.0.1:PORT --callee 127.0.0.1:PORT [options]: calls through a proxy over UDP\n"
	"  --caller ADDRESS (127.0.0.2:0)  --users N (1000)  --first N (100000)  --domain D (bench.local)\n"
	"  --window W   calls at a time (64)       --rate R   begin R a second, at most W at a time\n"
	"  --seconds S  measured (5)               --warmup S before, unmeasured (1)\n"
	"  --ring S     from 180 to 200 (0)        --hold S   from ACK to BYE (0)\n"
	"  --redirect   a 302 is what is wanted    --timeout S (32)\n";
static const struct option LONG[] = { { "server", 1, 0, 's' }, { "callee", 1, 0, 'c' }, { "caller", 1, 0, 'C' },
	{ "users", 1, 0, 'u' }, { "first", 1, 0, 'f' }, { "domain", 1, 0, 'd' }, { "window", 1, 0, 'w' }, { "rate", 1, 0, 'r' },
	{ "seconds", 1, 0, 't' }, { "warmup", 1, 0, 'W' }, { "ring", 1, 0, 'R' }, { "hold", 1, 0, 'H' }, { "redirect", 0, 0, 'i' },
	{ "timeout", 1, 0, 'T' }, { "help", 0, 0, 'h' }, { 0, 0, 0, 0 } };

static void set_option(int name) {
	switch (name) {
	case 's': set_address(&use.server, optarg); break;
	case 'c': set_address(&use.callee, optarg); break;
	case 'C': set_address(&use.caller, optarg); break;
	case 'u': use.users = atoi(optarg); break;
	case 'f': use.first = atoi(optarg); break;
	case 'd': use.domain = optarg; break;
	case 'w': use.window = atoi(optarg); break;
	case 'r': use.rate = atof(optarg); break;
	case 't': use.seconds = atof(optarg); break;
	case 'W': use.warmup = atof(optarg); break;
	case 'R': use.ring = atof(optarg); break;
	case 'H': use.hold = atof(optarg); break;
	case 'T': use.timeout = atof(optarg); break;
	case 'i': use.redirect = 1; break;
	case 'h': fputs(HELP, stdout); exit(0);
	default: fputs(HELP, stderr); exit(2);
	}
}

static void begin_more(uint64_t now) {
	while (in_use < use.window) {
		uint64_t at = now;
		int were = in_use;
		if (use.rate > 0) {
			if ((scheduled = scheduled ? scheduled : now) > now) return;
			at = scheduled, scheduled += (uint64_t)(1e9 / use.rate);
		}
		begin_call(at, now);
		if (in_use == were) return; /* those that are free still wait for their ACK */
	}
}

static void run_what_is_due(uint64_t now) {
	for (int i = 0; i < use.window; i++) {
		if (calls[i].answering && calls[i].answer_due <= now) callee_due(&calls[i], now);
		if (calls[i].phase != FREE && calls[i].due <= now) caller_due(&calls[i], now);
	}
}

int main(int count, char **words) {
	set_address(&use.caller, "127.0.0.2:0");
	for (int name; (name = getopt_long(count, words, "", LONG, NULL)) != -1;) set_option(name);
	if (!use.server.sin_port || !use.callee.sin_port || use.window < 1) set_option('?');
	calls = calloc((size_t)use.window, sizeof *calls);
	for (int i = 0; i < use.window; i++) calls[i].due = calls[i].answer_due = NEVER;
	snprintf(run, sizeof run, "%08x", (unsigned)(now_ns() >> 8) ^ (unsigned)getpid());
	caller_fd = open_at(&use.caller, caller_at, sizeof caller_at);
	callee_fd = open_at(&use.callee, callee_at, sizeof callee_at);
	uint64_t began = now_ns(), measured_at = 0, looked = 0;
	double cpu = 0;
	for (;;) {
		uint64_t now = now_ns();
		double s = (double)(now - (measuring ? measured_at : began)) / 1e9;
		if (!measuring && s >= use.warmup) {
			measuring = 1, measured_at = now, before = sum, cpu = cpu_seconds();
			tell("begin");
		} else if (measuring && s >= use.seconds) {
			cpu = cpu_seconds() - cpu;
			tell("end");
			tell_result(s, cpu);
			return 0;
		}
		begin_more(now);
		if (now - looked > MS) run_what_is_due(looked = now);
		struct pollfd polled[2] = { { caller_fd, POLLIN, 0 }, { callee_fd, POLLIN, 0 } };
		struct timespec wait = { 0, (long)MS };
		if (ppoll(polled, 2, &wait, NULL) <= 0) continue;
		for (int i = 0; i < 2; i++)
			if (polled[i].revents) hear(polled[i].fd, now_ns());
	}
}
