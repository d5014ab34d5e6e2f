/* load: many phones register at one registrar over UDP; says how it went as JSON lines on stdout.
 *
 * One process, one binding per phone, digest MD5 (RFC 2617, RFC 7616), Timers E and F of RFC 3261 §17.1.2.2.
 * Phone FIRST+i has the user name FIRST+i and the password PREFIX + user name. It knows nothing of the server but its
 * address. Must not speak to anybody outside 127.0.0.0/8.
 *
 * Build: cc -O2 -o load load.c -lm        Use: load --help
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <math.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, MESSAGE = 2048, ANSWER = 4096, MAX_SOCKETS = 256, CHALLENGES = 3 };
enum mode { INITIAL, REFRESH, ECHO, PHONES };
enum state { IDLE, WAITING, ASKING, PROVING };
static const char *MODES[] = { "initial", "refresh", "echo", "phones" };
static const uint64_t SECOND = 1000000000ull, MS = 1000000ull, NEVER = UINT64_MAX;
static const uint32_t T1_MS = 500, T2_MS = 4000;

struct phone {
	uint64_t began, next_refresh;
	uint32_t cseq, nc, acknowledged, interval_ms, turns, failures_in_a_row;
	uint8_t state, challenges, has_nonce, has_qop, has_ha1;
	char nonce[200], opaque[72], ha1[33];
};

static struct {
	const char *domain, *prefix, *ack_file;
	struct sockaddr_in server;
	enum mode mode;
	int users, first, window, sockets, sources, expires, once, series;
	double seconds, warmup, rate, timeout, drain, refresh_at, spread;
} opt = { .domain = "bench.local", .prefix = "pw", .mode = INITIAL, .users = 10000, .first = 100000, .window = 256,
	.sockets = 8, .sources = 1, .expires = 3600, .seconds = 10, .warmup = 1, .timeout = 32, .drain = 3,
	.refresh_at = 0.5 };

static struct counts {
	uint64_t done, first_done, started, refreshes, sent, received, retransmissions, failures, timeouts, deferred;
	uint64_t challenges, stale, duplicates, latency_ns, codes[700];
} total, at_begin, at_end, at_second;

static struct phone *phones;
static uint64_t *due;     /* when a phone has to do something on its own; one compact array, so a scan is cheap */
static int busy;          /* phones in a transaction */
static int measuring;
static volatile sig_atomic_t stop_asked;
static char request_uri[160], ha2[33], realm[128], run_id[24];

/* ---- time and chance ---- */

static uint64_t now_ns(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static double cpu_seconds(void) {
	struct rusage r;
	getrusage(RUSAGE_SELF, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) + (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

static double chance(void) { return (double)random() / 2147483648.0; }

/* ---- latencies: 64 steps an octave of microseconds, so each is known to 1.6 % ---- */

enum { STEPS = 4096 };
static uint64_t latencies[STEPS], latencies_of_second[STEPS], slowest_us;

static int step_of(uint64_t us) {
	if (us < 128) return (int)us;
	int octave = 63 - __builtin_clzll(us), step = 128 + (octave - 7) * 64 + (int)((us >> (octave - 6)) & 63);
	return step < STEPS ? step : STEPS - 1;
}

static double percentile_ms(const uint64_t *steps, double share) {
	uint64_t count = 0, seen = 0;
	for (int i = 0; i < STEPS; i++) count += steps[i];
	for (int i = 0; count && i < STEPS; i++) {
		seen += steps[i];
		if ((double)seen > share * (double)count || seen == count) {
			if (i < 128) return (i + 0.5) / 1e3;
			return (64 + (i - 128) % 64 + 0.5) * (double)(1ull << ((i - 128) / 64 + 1)) / 1e3;
		}
	}
	return 0;
}

/* ---- MD5 (RFC 1321), so that nothing but a C compiler is needed ---- */

static uint32_t md5_table[64];

static void md5_prepare(void) {
	for (int i = 0; i < 64; i++) md5_table[i] = (uint32_t)(fabs(sin(i + 1)) * 4294967296.0);
}

static void md5_block(uint32_t *sum, const unsigned char *block) {
	static const int turns[4][4] = { { 7, 12, 17, 22 }, { 5, 9, 14, 20 }, { 4, 11, 16, 23 }, { 6, 10, 15, 21 } };
	uint32_t a = sum[0], b = sum[1], c = sum[2], d = sum[3], words[16];
	for (int i = 0; i < 16; i++)
		words[i] = (uint32_t)block[4 * i] | (uint32_t)block[4 * i + 1] << 8 | (uint32_t)block[4 * i + 2] << 16 |
			(uint32_t)block[4 * i + 3] << 24;
	for (int i = 0; i < 64; i++) {
		uint32_t mixed;
		int word;
		switch (i / 16) {
		case 0: mixed = (b & c) | (~b & d); word = i; break;
		case 1: mixed = (d & b) | (~d & c); word = (5 * i + 1) % 16; break;
		case 2: mixed = b ^ c ^ d; word = (3 * i + 5) % 16; break;
		default: mixed = c ^ (b | ~d); word = 7 * i % 16;
		}
		mixed += a + md5_table[i] + words[word];
		int by = turns[i / 16][i % 4];
		a = d, d = c, c = b;
		b += mixed << by | mixed >> (32 - by);
	}
	sum[0] += a, sum[1] += b, sum[2] += c, sum[3] += d;
}

static void md5_hex(char *out, const char *text, size_t length) {
	uint32_t sum[4] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476 };
	unsigned char tail[128] = { 0 };
	size_t whole = length / 64 * 64, rest = length - whole, padded = rest < 56 ? 64 : 128;
	for (size_t at = 0; at < whole; at += 64) md5_block(sum, (const unsigned char *)text + at);
	memcpy(tail, text + whole, rest);
	tail[rest] = 0x80;
	for (int i = 0; i < 8; i++) tail[padded - 8 + i] = (unsigned char)((uint64_t)length * 8 >> 8 * i);
	for (size_t at = 0; at < padded; at += 64) md5_block(sum, tail + at);
	for (int i = 0; i < 16; i++) {
		unsigned byte = sum[i / 4] >> 8 * (i % 4) & 255;
		*out++ = "0123456789abcdef"[byte >> 4], *out++ = "0123456789abcdef"[byte & 15];
	}
	*out = 0;
}

/* ---- sockets: phone i speaks through socket i % sockets, from the address 127.0.0.1 + i % sources ---- */

struct port {
	int fd, number, queued, lengths[BATCH];
	uint32_t from[BATCH];
	char waiting[BATCH][MESSAGE];
};
static struct port *ports;
static struct pollfd polled[MAX_SOCKETS];
static char answers[BATCH][ANSWER];
static int answer_lengths[BATCH];

static void wait_for_room(int fd) {
	struct pollfd p = { fd, POLLOUT, 0 };
	poll(&p, 1, 5);
}

static int must_wait(void) { return errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS; }

static uint32_t address_of(uint32_t index) { return INADDR_LOOPBACK + index % (uint32_t)opt.sources; }

#ifdef __linux__
/* One socket speaks for many addresses: which one, each message says. */
static int send_some(struct port *port, int from) {
	static union {
		char bytes[CMSG_SPACE(sizeof(struct in_pktinfo))];
		struct cmsghdr header;
	} told[BATCH];
	struct mmsghdr messages[BATCH] = { 0 };
	struct iovec parts[BATCH];
	for (int i = from; i < port->queued; i++) {
		struct msghdr *message = &messages[i].msg_hdr;
		struct in_pktinfo source = { .ipi_spec_dst.s_addr = htonl(port->from[i]) };
		parts[i].iov_base = port->waiting[i], parts[i].iov_len = (size_t)port->lengths[i];
		message->msg_iov = &parts[i], message->msg_iovlen = 1;
		message->msg_name = &opt.server, message->msg_namelen = sizeof opt.server;
		message->msg_control = told[i].bytes, message->msg_controllen = sizeof told[i].bytes;
		told[i].header.cmsg_level = IPPROTO_IP, told[i].header.cmsg_type = IP_PKTINFO;
		told[i].header.cmsg_len = CMSG_LEN(sizeof source);
		memcpy(CMSG_DATA(&told[i].header), &source, sizeof source);
	}
	return sendmmsg(port->fd, messages + from, (unsigned)(port->queued - from), 0);
}

static int poll_for(uint64_t ns) {
	struct timespec wait = { 0, (long)ns };
	return ppoll(polled, (nfds_t)opt.sockets, &wait, NULL);
}

static int receive_some(int fd) {
	struct mmsghdr messages[BATCH] = { 0 };
	struct iovec parts[BATCH];
	for (int i = 0; i < BATCH; i++) {
		parts[i].iov_base = answers[i], parts[i].iov_len = ANSWER - 1;
		messages[i].msg_hdr.msg_iov = &parts[i], messages[i].msg_hdr.msg_iovlen = 1;
	}
	int count = recvmmsg(fd, messages, BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < count; i++) answer_lengths[i] = (int)messages[i].msg_len;
	return count;
}
#else
static int poll_for(uint64_t ns) { return poll(polled, (nfds_t)opt.sockets, (int)((ns + MS - 1) / MS)); }

static int send_some(struct port *port, int from) {
	return sendto(port->fd, port->waiting[from], (size_t)port->lengths[from], 0, (void *)&opt.server,
		sizeof opt.server) < 0 ? -1 : 1;
}

static int receive_some(int fd) {
	int count = 0;
	for (ssize_t size; count < BATCH && (size = recv(fd, answers[count], ANSWER - 1, 0)) >= 0; count++)
		answer_lengths[count] = (int)size;
	return count;
}
#endif

static void flush_port(struct port *port) {
	for (int done = 0; done < port->queued;) {
		int count = send_some(port, done);
		if (count > 0) done += count;
		else if (must_wait()) wait_for_room(port->fd);
		else if (errno != EINTR) done++; /* nobody listens there now: it is lost, as on a network */
	}
	port->queued = 0;
}

static void open_ports(void) {
	ports = calloc((size_t)opt.sockets, sizeof *ports);
	for (int i = 0; i < opt.sockets; i++) {
		struct port *port = &ports[i];
		struct sockaddr_in own = { .sin_family = AF_INET };
		socklen_t size = sizeof own;
		int bytes = 16 << 20;
		own.sin_addr.s_addr = htonl(opt.sources > 1 ? INADDR_ANY : INADDR_LOOPBACK);
		port->fd = socket(AF_INET, SOCK_DGRAM, 0);
		while (setsockopt(port->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes) && bytes > 65536) bytes /= 2;
		if (bind(port->fd, (void *)&own, sizeof own) || fcntl(port->fd, F_SETFL, O_NONBLOCK)) {
			perror("load: socket");
			exit(2);
		}
		getsockname(port->fd, (void *)&own, &size);
		port->number = ntohs(own.sin_port);
		polled[i].fd = port->fd, polled[i].events = POLLIN;
	}
}

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

/* A phone's own port, the same in each run, as a phone's is after a power cut. Nobody listens there. */
static int contact_port(uint32_t index) { return 10000 + (int)(index % 50000); }

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
	if (opt.mode != PHONES) return end(index, NEVER);
	double wait = fmin(1800, 30 * pow(2, phone->failures_in_a_row++));
	end(index, now + (uint64_t)((0.5 + chance() / 2) * wait * 1e9));
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
	if (at && parameter(at, to, "nextnonce", phone->nonce, sizeof phone->nonce)) phone->nc = 0;
	end(index, opt.mode == PHONES ? now + (uint64_t)(granted_s(answer) * opt.refresh_at * 1e9) : NEVER);
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

/* ---- what is told ---- */

static void tell(const char *event) {
	printf("{\"event\":\"%s\"}\n", event);
	fflush(stdout);
}

static void tell_second(double at_s) {
	struct counts *was = &at_second;
	printf("{\"event\":\"second\",\"at_s\":%.2f,\"done\":%lu,\"started\":%lu,\"refreshes\":%lu,\"sent\":%lu,"
		"\"retransmissions\":%lu,\"deferred\":%lu,\"failures\":%lu,\"first_done\":%lu,\"p99_ms\":%.3f}\n", at_s,
		(unsigned long)(total.done - was->done), (unsigned long)(total.started - was->started),
		(unsigned long)(total.refreshes - was->refreshes), (unsigned long)(total.sent - was->sent),
		(unsigned long)(total.retransmissions - was->retransmissions), (unsigned long)(total.deferred - was->deferred),
		(unsigned long)(total.failures - was->failures), (unsigned long)total.first_done,
		percentile_ms(latencies_of_second, .99));
	fflush(stdout);
	memset(latencies_of_second, 0, sizeof latencies_of_second);
	at_second = total;
}

#define MEASURED(name) (unsigned long)(at_end.name - at_begin.name)

static void tell_result(double seconds, double cpu_s, double prime_s) {
	int acknowledged = 0, first = 1;
	for (int i = 0; i < opt.users; i++) acknowledged += phones[i].acknowledged != 0;
	printf("{\"event\":\"result\",\"mode\":\"%s\",\"users\":%d,\"window\":%d,\"rate_target\":%.0f,\"sockets\":%d,"
		"\"sources\":%d,\"seconds\":%.3f,\"done\":%lu,\"per_s\":%.1f,\"p50_ms\":%.3f,\"p90_ms\":%.3f,\"p99_ms\":%.3f,"
		"\"p999_ms\":%.3f,\"max_ms\":%.3f,\"started\":%lu,\"retransmissions\":%lu,\"failures\":%lu,\"timeouts\":%lu,"
		"\"deferred\":%lu,\"challenges\":%lu,\"stale\":%lu,\"duplicates\":%lu,\"sent\":%lu,\"received\":%lu,"
		"\"client_cpu_s\":%.3f,\"prime_s\":%.3f,\"acknowledged\":%d,\"codes\":{",
		MODES[opt.mode], opt.users, opt.window, opt.rate, opt.sockets, opt.sources, seconds, MEASURED(done),
		(double)MEASURED(done) / seconds, percentile_ms(latencies, .5), percentile_ms(latencies, .9),
		percentile_ms(latencies, .99), percentile_ms(latencies, .999), (double)slowest_us / 1e3, MEASURED(started),
		MEASURED(retransmissions), MEASURED(failures), MEASURED(timeouts), MEASURED(deferred), MEASURED(challenges),
		MEASURED(stale), MEASURED(duplicates), MEASURED(sent), MEASURED(received), cpu_s, prime_s, acknowledged);
	for (int code = 100; code < 700; code++)
		if (total.codes[code]) {
			printf("%s\"%d\":%lu", first ? "" : ",", code, (unsigned long)total.codes[code]);
			first = 0;
		}
	printf("}}\n");
}

/* One line a phone that has a 200: user name, CSeq of the last 200. */
static void write_acknowledged(void) {
	FILE *file = fopen(opt.ack_file, "w");
	if (!file) {
		perror(opt.ack_file);
		exit(2);
	}
	for (int i = 0; i < opt.users; i++)
		if (phones[i].acknowledged) fprintf(file, "%d %u\n", opt.first + i, phones[i].acknowledged);
	fclose(file);
}

/* ---- the run: PRIME (refresh: each phone registers once), WARM, MEASURE, DRAIN ---- */

enum phase { PRIME, WARM, MEASURE, DRAIN };
static enum phase phase;
static uint64_t phase_began, scheduled;
static int begun_in_phase, cursor;

static void enter(enum phase next, uint64_t now) {
	if (next == MEASURE) {
		measuring = 1;
		at_begin = total;
		tell("begin");
	}
	phase = next;
	phase_began = now;
	if (next != MEASURE || opt.once || opt.mode == PHONES) begun_in_phase = cursor = 0;
}

static int is_over(uint64_t now) {
	double s = (double)(now - phase_began) / 1e9;
	switch (phase) {
	case PRIME: return begun_in_phase >= opt.users && !busy && total.first_done >= (uint64_t)opt.users;
	case WARM: return s >= opt.warmup;
	case MEASURE: return opt.once ? total.first_done >= (uint64_t)opt.users : s >= opt.seconds;
	default: return s > opt.drain || !busy;
	}
}

/* Begins what the window, or the rate, has room for. */
static void begin_more(uint64_t now) {
	int primes = phase == PRIME, whole = primes || opt.once, paced = opt.rate > 0 && !primes;
	for (int skipped = 0; busy < opt.window && skipped < opt.users;) {
		uint64_t at = now;
		if (whole && total.first_done + (uint64_t)busy >= (uint64_t)opt.users) return;
		if (paced && (scheduled = scheduled ? scheduled : now) > now) return;
		int index = cursor;
		cursor = (cursor + 1) % opt.users;
		if (phones[index].state != IDLE || (whole && phones[index].acknowledged)) {
			skipped++;
			continue;
		}
		if (paced) {
			at = scheduled;
			scheduled += (uint64_t)(1e9 / opt.rate);
		}
		begin((uint32_t)index, at, now);
		begun_in_phase++;
	}
}

static void release_phones(uint64_t now) {
	for (int i = 0; i < opt.users; i++) due[i] = now + (uint64_t)(chance() * opt.spread * 1e9);
}

static void exchange(uint64_t now) {
	uint64_t wait = MS;
	for (int i = 0; i < opt.sockets; i++)
		if (ports[i].queued) flush_port(&ports[i]);
	if (opt.rate > 0 && busy < opt.window && scheduled > now && scheduled < now + MS) wait = scheduled - now;
	if (poll_for(wait) <= 0) return;
	for (int i = 0; i < opt.sockets; i++) {
		int count = polled[i].revents ? receive_some(polled[i].fd) : 0;
		uint64_t at = count > 0 ? now_ns() : 0;
		for (int k = 0; k < count; k++) take_answer(answers[k], answer_lengths[k], at);
	}
}

static int run(void) {
	uint64_t start = now_ns(), second = start, begun = 0, ended = 0, heard = start, received = 0;
	double cpu_begun = 0, cpu_s = 0, prime_s = 0;
	int direct = opt.once || opt.mode == PHONES;
	phase_began = start;
	enter(direct ? MEASURE : opt.mode == REFRESH ? PRIME : WARM, start);
	if (direct) begun = start, cpu_begun = cpu_seconds();
	if (opt.mode == PHONES) release_phones(start);
	for (;;) {
		uint64_t now = now_ns();
		int over = is_over(now) || (stop_asked && phase != DRAIN);
		if (over && phase == DRAIN) break;
		if (over && phase == PRIME) prime_s = (double)(now - start) / 1e9;
		if (over && phase == MEASURE) {
			ended = now, cpu_s = cpu_seconds() - cpu_begun, at_end = total, measuring = 0;
			tell("end");
		}
		if (over) {
			if (phase == WARM) begun = now, cpu_begun = cpu_seconds();
			enter(stop_asked ? DRAIN : phase + 1, now);
		}
		if (total.received != received) received = total.received, heard = now;
		if ((phase == PRIME || opt.once) && now - heard > 60 * SECOND) {
			fprintf(stderr, "load: nobody has answered for a minute\n");
			return 3;
		}
		if (phase != DRAIN && opt.mode != PHONES) begin_more(now);
		if (phase != DRAIN || opt.mode != PHONES) run_timers(now);
		exchange(now);
		if (opt.series && now - second >= SECOND) {
			second += SECOND;
			tell_second((double)(second - start) / 1e9);
		}
	}
	if (!ended) ended = begun = now_ns();
	tell_result(fmax((double)(ended - begun) / 1e9, 1e-9), cpu_s, prime_s);
	if (opt.ack_file) write_acknowledged();
	return 0;
}

/* ---- options ---- */

static const struct option LONG[] = { { "server", 1, 0, 's' }, { "mode", 1, 0, 'm' }, { "users", 1, 0, 'u' },
	{ "first", 1, 0, 'f' }, { "domain", 1, 0, 'd' }, { "password-prefix", 1, 0, 'p' }, { "window", 1, 0, 'w' },
	{ "rate", 1, 0, 'r' }, { "seconds", 1, 0, 't' }, { "warmup", 1, 0, 'W' }, { "once", 0, 0, 'o' },
	{ "sockets", 1, 0, 'k' }, { "sources", 1, 0, 'K' }, { "expires", 1, 0, 'e' }, { "timeout", 1, 0, 'T' },
	{ "drain", 1, 0, 'D' }, { "refresh-at", 1, 0, 'R' }, { "spread", 1, 0, 'S' }, { "ack-file", 1, 0, 'a' },
	{ "series", 0, 0, 'i' }, { "help", 0, 0, 'h' }, { 0, 0, 0, 0 } };

static const char HELP[] =
	"load --server 127.0.0.1:PORT [options]: phones register over UDP with digest MD5; JSON lines tell how it went\n"
	"  --mode initial   REGISTER, 401, REGISTER, 200 each time (default)\n"
	"         refresh   each phone registers once, unmeasured, then keeps its nonce (nc rises, nextnonce is obeyed)\n"
	"         echo      any datagram that comes back is an answer\n"
	"         phones    all are released at once, or within --spread S; each then refreshes at --refresh-at (0.5) of\n"
	"                   the expiry it was granted and tries again after failures as RFC 5626 says\n"
	"  --users N        phones FIRST..FIRST+N-1 (10000)     --first N           first user name (100000)\n"
	"  --domain D       (bench.local)                       --password-prefix S password = S + user name (pw)\n"
	"  --window W       registrations at a time (256)       --rate R            begin R a second, at most W at a time;\n"
	"                                                       latency then counts from when it was due\n"
	"  --seconds S      measured (10)                       --warmup S          before, unmeasured (1)\n"
	"  --once           until each phone has a 200          --drain S           wait for the last answers (3)\n"
	"  --sockets N      local ports (8)                     --sources N         local addresses 127.0.0.1.. (1)\n"
	"  --expires S      asked for (3600)                    --timeout S         Timer F (32)\n"
	"  --ack-file F     user name, CSeq of the last 200     --series            one line a second\n";

static void set_server(const char *text) {
	char host[64];
	const char *colon = strrchr(text, ':');
	snprintf(host, sizeof host, "%.*s", (int)(colon ? colon - text : 0), text);
	opt.server.sin_family = AF_INET;
	opt.server.sin_port = htons((uint16_t)(colon ? atoi(colon + 1) : 0));
	if (inet_pton(AF_INET, host, &opt.server.sin_addr) != 1 || ntohl(opt.server.sin_addr.s_addr) >> 24 != 127) {
		fprintf(stderr, "load: --server %s: only 127.0.0.0/8 is loaded, as 127.0.0.1:5060\n", text);
		exit(2);
	}
}

static void set_mode(const char *text) {
	for (int mode = INITIAL; mode <= PHONES; mode++)
		if (!strcmp(text, MODES[mode])) {
			opt.mode = (enum mode)mode;
			return;
		}
	fprintf(stderr, "load: --mode initial|refresh|echo|phones\n");
	exit(2);
}

static void set_option(int name) {
	switch (name) {
	case 's': set_server(optarg); break;
	case 'm': set_mode(optarg); break;
	case 'u': opt.users = atoi(optarg); break;
	case 'f': opt.first = atoi(optarg); break;
	case 'd': opt.domain = optarg; break;
	case 'p': opt.prefix = optarg; break;
	case 'w': opt.window = atoi(optarg); break;
	case 'r': opt.rate = atof(optarg); break;
	case 't': opt.seconds = atof(optarg); break;
	case 'W': opt.warmup = atof(optarg); break;
	case 'o': opt.once = 1; break;
	case 'k': opt.sockets = atoi(optarg); break;
	case 'K': opt.sources = atoi(optarg); break;
	case 'e': opt.expires = atoi(optarg); break;
	case 'T': opt.timeout = atof(optarg); break;
	case 'D': opt.drain = atof(optarg); break;
	case 'R': opt.refresh_at = atof(optarg); break;
	case 'S': opt.spread = atof(optarg); break;
	case 'a': opt.ack_file = optarg; break;
	case 'i': opt.series = 1; break;
	case 'h': fputs(HELP, stdout); exit(0);
	default: fputs(HELP, stderr); exit(2);
	}
}

static void on_signal(int number) {
	(void)number;
	stop_asked = 1;
}

int main(int argc, char **argv) {
	for (int name; (name = getopt_long(argc, argv, "", LONG, NULL)) != -1;) set_option(name);
#ifndef __linux__
	opt.sources = 1; /* other systems have one loopback address */
#endif
	if (!opt.server.sin_port || opt.users < 1 || opt.window < 1 || opt.sockets < 1 || opt.sockets > MAX_SOCKETS ||
		opt.sources < 1) {
		fputs(HELP, stderr);
		return 2;
	}
	snprintf(run_id, sizeof run_id, "%lx.%x", (unsigned long)time(NULL), (unsigned)getpid());
	srandom((unsigned)getpid());
	md5_prepare();
	char text[200];
	snprintf(request_uri, sizeof request_uri, "sip:%s", opt.domain);
	md5_hex(ha2, text, (size_t)snprintf(text, sizeof text, "REGISTER:%s", request_uri));
	phones = calloc((size_t)opt.users, sizeof *phones);
	due = malloc((size_t)opt.users * sizeof *due);
	for (int i = 0; i < opt.users; i++) due[i] = NEVER;
	open_ports();
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	return run();
}
