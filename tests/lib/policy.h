/* What the gateway of the tests allows: clients by pre-shared key and by certificate, pools of both families.
 */
#pragma once

#include "edge/ike/policy.h"

#define TEST_GATEWAY "vpn.example.net"
#define TEST_PSK "correct horse battery staple"

struct test_policy {
    struct policy policy;
    struct policy_identity identities[1];
    struct policy_connection connections[2];
    struct policy_pool pools[1];
    struct policy_secret secrets[2];
};

/* Keys and certificates of gateway and client, made once per process: a chain of two intermediate CAs each.
 * Where runs are to repeat, this is called before anything else uses the crypto library's random numbers. */
struct test_credentials {
    struct credential *gateway, *client;
    struct trust *trust;
};
const struct test_credentials *test_credentials(void);
#define TEST_CERT_CLIENT "bob@example.net"

/* `policy` refers to itself: it is not moved afterwards. */
void test_policy_init(struct test_policy *policy, bool certificates);
struct identity test_identity(const char *text);
