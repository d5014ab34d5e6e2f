/* load: many phones register at one registrar over UDP; says how it went as JSON lines on stdout.
 *
 * One process, one binding per phone, digest MD5 (RFC 2617, RFC 7616), Timers E and F of RFC 3261 §17.1.2.2.
 * Phone FIRST+i has the user name FIRST+i and the password PREFIX + user name. It knows nothing of the server but its
 * address. Must not speak to anybody outside 127.0.0.0/8.
 *
 * Build: cc -O2 -o load load.c -lm        Use: load --help
 */
#include "base.h"
#include "latencies.h"
#include "md5.h"
#include "sockets.h"
#include "phones.h"
#include "report.h"
#include "options.h"

/* PRIME (refresh: each phone registers once), WARM, MEASURE, DRAIN */
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
	for (uint64_t turned = start;; ) {
		uint64_t now = now_ns();
		if (measuring && now - turned > longest_turn) longest_turn = now - turned;
		turned = now;
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
	for (int i = 0; i < opt.users; i++) due[i] = NEVER, phones[i].cseq = (uint32_t)opt.cseq;
	open_ports();
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	return run();
}
