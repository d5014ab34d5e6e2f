/* MD5 (RFC 1321), so that nothing but a C compiler is needed. */
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
