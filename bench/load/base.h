/* What all parts of load share: the options, the counts and the phones. */
#include "clock.h"

enum { BATCH = 64, MESSAGE = 2048, ANSWER = 4096, MAX_SOCKETS = 256, CHALLENGES = 3 };
enum mode { INITIAL, REFRESH, ECHO, PHONES };
enum state { IDLE, WAITING, ASKING, PROVING };
static const char *MODES[] = { "initial", "refresh", "echo", "phones" };

struct phone {
	uint64_t began, valid_until;
	uint32_t cseq, nc, acknowledged, interval_ms, turns, failures_in_a_row;
	uint8_t state, challenges, has_nonce, has_qop, has_ha1;
	char nonce[200], opaque[72], ha1[33];
};

static struct {
	const char *domain, *prefix, *ack_file;
	struct sockaddr_in server;
	enum mode mode;
	int users, first, cseq, window, sockets, sources, port, expires, once, series;
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
static uint64_t slowest_us;
static uint64_t longest_turn; /* ns in which the loader did nothing, for it was not given the CPU */
static volatile sig_atomic_t stop_asked;
static char request_uri[160], ha2[33], realm[128], run_id[24];

static double chance(void) { return (double)random() / 2147483648.0; }
