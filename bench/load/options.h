/* The command line. */
static const struct option LONG[] = { { "server", 1, 0, 's' }, { "mode", 1, 0, 'm' }, { "users", 1, 0, 'u' },
	{ "first", 1, 0, 'f' }, { "cseq", 1, 0, 'c' }, { "domain", 1, 0, 'd' }, { "password-prefix", 1, 0, 'p' }, { "window", 1, 0, 'w' },
	{ "rate", 1, 0, 'r' }, { "seconds", 1, 0, 't' }, { "warmup", 1, 0, 'W' }, { "once", 0, 0, 'o' },
	{ "sockets", 1, 0, 'k' }, { "sources", 1, 0, 'K' }, { "expires", 1, 0, 'e' }, { "timeout", 1, 0, 'T' },
	{ "drain", 1, 0, 'D' }, { "refresh-at", 1, 0, 'R' }, { "spread", 1, 0, 'S' }, { "ack-file", 1, 0, 'a' },
	{ "series", 0, 0, 'i' }, { "port", 1, 0, 'P' }, { "help", 0, 0, 'h' }, { 0, 0, 0, 0 } };

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
	"  --cseq N         the CSeq before the first (0)\n"
	"  --sockets N      local ports (8)                     --sources N         local addresses 127.0.0.1.. (1)\n"
	"  --expires S      asked for (3600)                    --timeout S         Timer F (32)\n"
	"  --ack-file F     user, CSeq of the last 200, seconds left --series      one line a second\n"
	"  --port P         the one local port, said in every Contact: who listens there later is called\n";

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
	case 'c': opt.cseq = atoi(optarg); break;
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
	case 'P': opt.port = atoi(optarg), opt.sockets = 1; break;
	case 'h': fputs(HELP, stdout); exit(0);
	default: fputs(HELP, stderr); exit(2);
	}
}
