/* Phone i speaks through socket i % sockets, from the address 127.0.0.1 + i % sources. */
enum { RECEIVE_BUFFER = 16 << 20 };

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
	static _Alignas(struct cmsghdr) char told[BATCH][CMSG_SPACE(sizeof(struct in_pktinfo))];
	struct mmsghdr messages[BATCH] = { 0 };
	struct iovec parts[BATCH];
	for (int i = from; i < port->queued; i++) {
		struct msghdr *message = &messages[i].msg_hdr;
		struct in_pktinfo source = { .ipi_spec_dst.s_addr = htonl(port->from[i]) };
		parts[i].iov_base = port->waiting[i], parts[i].iov_len = (size_t)port->lengths[i];
		message->msg_iov = &parts[i], message->msg_iovlen = 1;
		message->msg_name = &opt.server, message->msg_namelen = sizeof opt.server;
		message->msg_control = told[i], message->msg_controllen = sizeof told[i];
		struct cmsghdr *header = CMSG_FIRSTHDR(message);
		header->cmsg_level = IPPROTO_IP, header->cmsg_type = IP_PKTINFO;
		header->cmsg_len = CMSG_LEN(sizeof source);
		memcpy(CMSG_DATA(header), &source, sizeof source);
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
		int bytes = RECEIVE_BUFFER;
		own.sin_addr.s_addr = htonl(opt.sources > 1 ? INADDR_ANY : INADDR_LOOPBACK);
		own.sin_port = htons((uint16_t)opt.port);
		port->fd = socket(AF_INET, SOCK_DGRAM, 0);
		while (setsockopt(port->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes) && bytes > 65536) bytes /= 2;
#ifdef SO_RCVBUFFORCE
		bytes = RECEIVE_BUFFER; /* root may have more than the system grants to all */
		setsockopt(port->fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
#endif
		if (bind(port->fd, (void *)&own, sizeof own) || fcntl(port->fd, F_SETFL, O_NONBLOCK)) {
			perror("load: socket");
			exit(2);
		}
		getsockname(port->fd, (void *)&own, &size);
		port->number = ntohs(own.sin_port);
		polled[i].fd = port->fd, polled[i].events = POLLIN;
	}
}
