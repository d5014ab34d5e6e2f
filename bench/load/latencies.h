/* Latencies in 64 steps an octave of microseconds, so that each is known to 1.6 %. */
enum { STEPS = 4096 };
static uint64_t latencies[STEPS];

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
