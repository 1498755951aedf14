/* The floor under one handshake: what the responder's cryptography of IKE_SA_INIT and IKE_AUTH costs, without
 * messages, tables, stores or packets. AES-128-GCM, HMAC-SHA-256, X25519, one Child SA; with a shared secret
 * and with ECDSA P-256 (a client's chain of one certificate is verified each time, and the answer signed). */
#include "edge/crypto/kdf.h"
#include "edge/crypto/ke.h"
#include "edge/crypto/pki.h"
#include "edge/crypto/seal.h"
#include "edge/crypto/sign.h"
#include "edge/crypto/sk.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { INIT_BYTES = 300, NONCE = 32, AUTH_PSK_BYTES = 250, AUTH_CERT_BYTES = 900, PRF_LEN = 32 };

static const struct ike_suite ike = {ENCR_AES_GCM_16, 128, INTEG_NONE, PRF_HMAC_SHA2_256, KE_X25519};
static const struct esp_suite esp = {ENCR_AES_GCM_16, 128, INTEG_NONE, KE_NONE, false};
static uint8_t init_request[INIT_BYTES], init_response[INIT_BYTES], nonce_i[NONCE], nonce_r[NONCE];
static struct ke_value peer_public;

struct party {
    struct credential *credential;
    struct span cert;
};

static struct trust *trust;
static struct party gateway, client;
static struct identity client_id;
static uint8_t client_auth[SIGNATURE_BYTES_MAX];
static size_t client_auth_len;
static uint8_t client_method;

static double now_us(void)
{
    struct timespec at;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &at);
    return (double)at.tv_sec * 1e6 + (double)at.tv_nsec / 1e3;
}

static void must(bool good)
{
    if (!good) {
        fputs("bench_handshake: the library failed\n", stderr);
        exit(1);
    }
}

static struct span made(struct writer *w)
{
    must(!w->overflow);
    return span_of(w->data, w->len);
}

static struct span cert_make(const char *name, enum pki_role role, struct span key,
                             const struct pki_issuer *issuer)
{
    char error[CRYPTO_ERROR_MAX];
    struct pki_request request = {.subject = name,
                                  .role = role,
                                  .names = &name,
                                  .num_names = role == PKI_CA ? 0 : 1,
                                  .path_len = -1,
                                  .not_before_unix_s = time(NULL) - 3600,
                                  .not_after_unix_s = time(NULL) + 3600};
    struct writer w = writer_of(malloc(PKI_PEM_MAX), PKI_PEM_MAX);
    must(pki_cert_new(&request, key, issuer, &w, error));
    return made(&w);
}

static struct span key_make(void)
{
    struct writer w = writer_of(malloc(PKI_PEM_MAX), PKI_PEM_MAX);
    must(pki_key_new(PKI_KEY_P256, &w));
    return made(&w);
}

static struct party party_make(const char *name, const struct pki_issuer *issuer)
{
    char error[CRYPTO_ERROR_MAX];
    const struct span *chain;
    struct span key = key_make();
    struct party party = {.credential = credential_new(cert_make(name, PKI_PEER, key, issuer), key, error)};
    must(party.credential != NULL && credential_chain(party.credential, &chain) == 1);
    party.cert = chain[0];
    return party;
}

/* What both sides sign: the first message, the other's nonce, prf(SK_p, ID). */
static void octets_make(struct span message, struct span nonce, const uint8_t sk_p[PRF_LEN],
                        uint8_t mac[PRF_LEN], struct span ret[3])
{
    struct span id = span_of("\2\0\0\0user@example.net", 20);
    prf_compute(ike.prf, span_of(sk_p, PRF_LEN), &id, 1, mac);
    ret[0] = message;
    ret[1] = nonce;
    ret[2] = span_of(mac, PRF_LEN);
}

static void pki_make(void)
{
    char error[CRYPTO_ERROR_MAX];
    struct span key = key_make(), octets[3];
    struct pki_issuer none = {0}, issuer = {cert_make("CN=Bench CA", PKI_CA, key, &none), key};
    uint8_t mac[PRF_LEN], sk_p[PRF_LEN] = {0};
    trust = trust_new(CRL_IF_PRESENT);
    must(trust_add_ca(trust, issuer.cert_pem, error));
    gateway = party_make("vpn.example.net", &issuer);
    client = party_make("user@example.net", &issuer);
    must(identity_parse("user@example.net", &client_id));
    octets_make(span_of(init_request, INIT_BYTES), span_of(nonce_r, NONCE), sk_p, mac, octets);
    must(sign_auth(client.credential, sign_hashes_supported(), octets, 3, &client_method, client_auth,
                   &client_auth_len) == CAUSE_NONE);
}

/* NAT detection: two hashes to check and two to send. */
static void nat_hashes(void)
{
    uint8_t digest[20];
    struct span part = span_of(init_request, 22);
    for (int i = 0; i < 4; i++) {
        hash_sha1(&part, 1, digest);
    }
}

static void init_exchange(struct ike_keys *ret_keys)
{
    struct rand_source rand = rand_system();
    struct ke_private own;
    struct ke_value own_public, shared;
    struct nonces nonces = {span_of(nonce_i, NONCE), span_of(nonce_r, NONCE)};
    nat_hashes();
    rand_fill(&rand, nonce_r, NONCE);
    must(ke_generate(KE_X25519, &rand, &own, &own_public));
    must(ke_derive(&own, span_of(peer_public.bytes, peer_public.len), &shared));
    kdf_ike(&ike, span_of(shared.bytes, shared.len), &nonces, 1, 2, ret_keys);
}

/* Opens a request and seals an answer of so many bytes. */
static void sk_both(const struct ike_keys *keys, size_t len)
{
    static uint8_t message[2048], plain[2048], answer[2048];
    size_t opened;
    struct sk_key in = {ENCR_AES_GCM_16, 128, INTEG_NONE, keys->ei, keys->ai};
    struct sk_key out = {ENCR_AES_GCM_16, 128, INTEG_NONE, keys->er, keys->ar};
    struct span body = span_of(message + 32, sk_sealed_bytes(&in, len));
    must(sk_seal(&in, 1, span_of(message, 32), span_of(plain, len), message + 32));
    must(sk_open(&in, span_of(message, 32), body, plain, &opened) == CAUSE_NONE);
    must(sk_seal(&out, 1, span_of(answer, 32), span_of(plain, len), answer + 32));
}

static void child(const struct ike_keys *keys)
{
    struct nonces nonces = {span_of(nonce_i, NONCE), span_of(nonce_r, NONCE)};
    struct esp_keys in, out;
    kdf_child(ike.prf, span_of(keys->d, PRF_LEN), (struct span){0}, &nonces, &esp, &in, &out);
}

static void handshake_psk(void)
{
    struct ike_keys keys;
    struct span octets[3], secret = span_of_string("a secret of a good length");
    uint8_t mac[PRF_LEN], auth[PRF_LEN];
    init_exchange(&keys);
    octets_make(span_of(init_request, INIT_BYTES), span_of(nonce_r, NONCE), keys.pi, mac, octets);
    psk_auth(ike.prf, secret, octets, 3, auth);
    octets_make(span_of(init_response, INIT_BYTES), span_of(nonce_i, NONCE), keys.pr, mac, octets);
    psk_auth(ike.prf, secret, octets, 3, auth);
    sk_both(&keys, AUTH_PSK_BYTES);
    child(&keys);
}

static void handshake_ecdsa(void)
{
    struct ike_keys keys;
    struct span octets[3];
    struct public_key *key;
    uint8_t mac[PRF_LEN], auth[SIGNATURE_BYTES_MAX], method;
    size_t len;
    init_exchange(&keys);
    must(cert_verify(trust, &client.cert, 1, &client_id, time(NULL), &key) == CAUSE_NONE);
    octets_make(span_of(init_request, INIT_BYTES), span_of(nonce_r, NONCE), keys.pi, mac, octets);
    /* Not what the client signed, since nonce and keys are new: as dear as what would verify. */
    must(sign_verify(key, client_method, span_of(client_auth, client_auth_len), octets, 3) != CAUSE_NONE);
    public_key_free(key);
    octets_make(span_of(init_response, INIT_BYTES), span_of(nonce_i, NONCE), keys.pr, mac, octets);
    must(sign_auth(gateway.credential, sign_hashes_supported(), octets, 3, &method, auth, &len) ==
         CAUSE_NONE);
    sk_both(&keys, AUTH_CERT_BYTES);
    child(&keys);
}

/* The best of some rounds: what else the machine does only adds. */
static double bench(void (*handshake)(void))
{
    enum { ROUNDS = 10, EACH = 500 };
    double best = 1e9;
    for (int i = 0; i < ROUNDS; i++) {
        double start = now_us();
        for (int k = 0; k < EACH; k++) {
            handshake();
        }
        double took = (now_us() - start) / EACH;
        best = took < best ? took : best;
    }
    return best;
}

int main(void)
{
    struct rand_source rand = rand_system();
    struct ke_private theirs;
    must(ke_generate(KE_X25519, &rand, &theirs, &peer_public));
    pki_make();
    printf("psk %.1f us\n", bench(handshake_psk));
    printf("ecdsa %.1f us\n", bench(handshake_ecdsa));
    return 0;
}
