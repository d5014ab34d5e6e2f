/* What is told on stdout, and the file of what was acknowledged. */
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
		"\"client_cpu_s\":%.3f,\"stalled_ms\":%.1f,\"prime_s\":%.3f,\"acknowledged\":%d,\"codes\":{",
		MODES[opt.mode], opt.users, opt.window, opt.rate, opt.sockets, opt.sources, seconds, MEASURED(done),
		(double)MEASURED(done) / seconds, percentile_ms(latencies, .5), percentile_ms(latencies, .9),
		percentile_ms(latencies, .99), percentile_ms(latencies, .999), (double)slowest_us / 1e3, MEASURED(started),
		MEASURED(retransmissions), MEASURED(failures), MEASURED(timeouts), MEASURED(deferred), MEASURED(challenges),
		MEASURED(stale), MEASURED(duplicates), MEASURED(sent), MEASURED(received), cpu_s, (double)longest_turn / 1e6, prime_s, acknowledged);
	for (int code = 100; code < 700; code++)
		if (total.codes[code]) {
			printf("%s\"%d\":%lu", first ? "" : ",", code, (unsigned long)total.codes[code]);
			first = 0;
		}
	printf("}}\n");
}

/* One line a phone that has a 200: user name, CSeq of the last 200, seconds until what it granted ends. */
static void write_acknowledged(void) {
	FILE *file = fopen(opt.ack_file, "w");
	if (!file) {
		perror(opt.ack_file);
		exit(2);
	}
	for (int i = 0; i < opt.users; i++)
		if (phones[i].acknowledged)
			fprintf(file, "%d %u %.0f\n", opt.first + i, phones[i].acknowledged,
				((double)phones[i].valid_until - (double)now_ns()) / 1e9);
	fclose(file);
}
