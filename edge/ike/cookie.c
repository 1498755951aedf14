/* COOKIE (RFC 7296 2.6): no state for a source address that has not shown that it receives our answers. The
 * cookie is a function of the fleet's hourly key, the initiator's SPI, its address and its nonce, so every
 * node of the fleet, and the steering program, accept each other's. */
#include "edge/base/secret.h"
#include "edge/crypto/seal.h"
#include "edge/ike/internal.h"

#define HOUR_S 3600

static const uint64_t *cookie_key(struct ike *ike, int64_t hour)
{
    int64_t now_hour = ike->time.unix_s / HOUR_S;
    if (ike->cookie_hour != now_hour) {
        for (int i = 0; i < 2; i++) {
            fleet_derive(ike->config.fleet_key, "cookie", (uint64_t)(now_hour - i),
                         (uint8_t *)ike->cookie_keys[i], sizeof(ike->cookie_keys[i]));
        }
        ike->cookie_hour = now_hour;
    }
    return ike->cookie_keys[hour == now_hour ? 0 : 1];
}

static void cookie_of(struct ike *ike, const struct ike_input *input, int64_t hour,
                      uint8_t ret_cookie[HF_COOKIE_BYTES])
{
    const uint64_t *key = cookie_key(ike, hour);
    struct span nonce = input->message->nonce;
    uint64_t mac = hf_cookie_mac(key, input->header.spi_i, input->datagram->remote.addr.bytes, nonce.data,
                                 (uint32_t)nonce.len);
    ret_cookie[0] = (uint8_t)hour;
    be64_store(ret_cookie + 1, mac);
}

void cookie_write(struct ike *ike, const struct ike_input *input, uint8_t ret_cookie[HF_COOKIE_BYTES])
{
    cookie_of(ike, input, ike->time.unix_s / HOUR_S, ret_cookie);
}

bool cookie_is_valid(struct ike *ike, const struct ike_input *input, struct span cookie)
{
    if (cookie.len != HF_COOKIE_BYTES) {
        return false;
    }
    int64_t hour = ike->time.unix_s / HOUR_S;
    if (cookie.data[0] != (uint8_t)hour) {
        hour--;
    }
    uint8_t expected[HF_COOKIE_BYTES];
    cookie_of(ike, input, hour, expected);
    return secret_equal(cookie.data, expected, sizeof(expected));
}
