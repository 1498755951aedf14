#include "tools/ikeload/deviate.h"

#include "tools/ikeload/identity.h"

#include "edge/crypto/seal.h"

#include "tests/lib/deviant.h"

#include <stdio.h>
#include <time.h>

#define PATIENCE (3 * NS_PER_S)
#define SILENCE (120 * NS_PER_MS)

enum who { WITNESS, DEVIANT };

struct stage {
    const struct options *options;
    struct net net;
    struct initiator clients[2];
    struct deviant deviant;
    uint32_t walked, wrong;
};

static struct stage stage; /* large */

/* ---- the host */

static void send_of(uint32_t who, const struct endpoint *local, const struct endpoint *remote, bool natt,
                    struct span bytes)
{
    net_send(&stage.net, who, &local->addr, remote, natt, bytes);
}

static void send_witness(void *context, const struct endpoint *local, const struct endpoint *remote,
                         bool natt, struct span bytes)
{
    (void)context;
    send_of(WITNESS, local, remote, natt, bytes);
}

static void send_deviant(void *context, const struct endpoint *local, const struct endpoint *remote,
                         bool natt, struct span bytes)
{
    (void)context;
    send_of(DEVIANT, local, remote, natt, bytes);
}

static void take(void *context, const struct datagram *datagram)
{
    struct ike_header header;
    struct span bytes = span_of(datagram->bytes, datagram->len);
    (void)context;
    if (datagram->esp || ike_header_read(bytes, &header) != CAUSE_NONE) {
        return;
    }
    bool for_witness = header.spi_i == initiator_current(&stage.clients[WITNESS])->spi_i;
    initiator_receive(&stage.clients[for_witness ? WITNESS : DEVIANT], load_clock(), datagram->from,
                      bytes);
}

static ns_t host_now(void *context)
{
    (void)context;
    return load_clock();
}

static void host_wait(void *context, ns_t at_most)
{
    (void)context;
    ns_t now = load_clock(), end = now + at_most;
    for (size_t i = 0; i < HF_COUNT(stage.clients); i++) {
        initiator_timer(&stage.clients[i], now);
        end = HF_MIN(end, initiator_deadline(&stage.clients[i]));
    }
    net_receive(&stage.net, end > now ? end - now : 0, take, NULL);
}

/* ---- the clients */

static struct initiator_config config_of(const struct load_secrets *secrets, enum who who,
                                         const struct ip_addr *local)
{
    struct initiator_config config = {
        .rand = rand_system(),
        .local = {*local, stage.net.ports[who]},
        .remote = {stage.options->gateway, 500},
        .id_r = stage.options->gateway_id,
        .psk = secrets->psk,
        .ike = {{ENCR_AES_GCM_16, 256, INTEG_NONE, PRF_HMAC_SHA2_256, KE_X25519}},
        .num_ike = 1,
        .esp = {{ENCR_AES_GCM_16, 256, INTEG_NONE, KE_NONE, false}},
        .num_esp = 1,
        .ke_first = KE_X25519,
        .want_v4 = true,
        .fragmentation = true,
        .retransmit = who == WITNESS ? 500 * NS_PER_MS : 10 * NS_PER_S,
        .tries = 6,
        .send = who == WITNESS ? send_witness : send_deviant,
    };
    identity_number(stage.options->identity, who, &config.id);
    return config;
}

static bool witness_settles(void)
{
    struct initiator *witness = &stage.clients[WITNESS];
    for (ns_t end = load_clock() + PATIENCE, now; (now = load_clock()) < end;) {
        if (witness->state == INITIATOR_UP && initiator_is_idle(witness)) {
            return initiator_num_children(witness) == 1;
        }
        host_wait(NULL, end - now);
    }
    return false;
}

static bool witness_answers(void)
{
    return initiator_dpd(&stage.clients[WITNESS], load_clock()) && witness_settles();
}

static bool stage_open(const struct options *options, const struct load_secrets *secrets)
{
    static const struct deviant_host host = {
        .now = host_now, .wait = host_wait, .patience = PATIENCE, .silence = SILENCE};
    struct ip_addr local;
    stage.options = options;
    if (!net_open(&stage.net, &options->gateway, HF_COUNT(stage.clients), &local)) {
        return false;
    }
    for (uint32_t i = 0; i < HF_COUNT(stage.clients); i++) {
        struct initiator_config config = config_of(secrets, (enum who)i, &local);
        initiator_init(&stage.clients[i], &config);
    }
    deviant_init(&stage.deviant, &stage.clients[DEVIANT], &host);
    initiator_connect(&stage.clients[WITNESS], load_clock());
    if (!witness_settles()) {
        fputs("ikeload: the well-behaved session did not come up\n", stderr);
        return false;
    }
    stage.deviant.foreign_spi = stage.clients[WITNESS].children[0].spi_in;
    return true;
}

/* ---- what is printed */

static void print_row(const struct deviation *row, bool json)
{
    enum cause drop = row->door != CAUSE_NONE ? row->door : row->drop;
    if (json) {
        printf("{\"name\":\"%s\",\"class\":%u,\"rfc\":\"%s\",\"answer\":\"%s\",\"drop\":\"%s\","
               "\"refusal\":\"%s\",\"ends\":%s",
               row->name, row->class, row->rfc, deviant_answer_text(row->answer), cause_json(drop),
               cause_json(row->refusal), row->ends ? "true" : "false");
    } else {
        printf("%-34s %2u  %-18s %-28s %-18s %s", row->name, row->class, row->rfc,
               deviant_answer_text(row->answer), drop == CAUSE_NONE ? "-" : cause_json(drop),
               row->ends                ? "is over"
               : row->base == BASE_INIT ? "-"
                                        : "lives");
    }
}

static void print_result(const struct deviation *row, const struct deviant_result *result, bool good,
                         bool witness)
{
    print_row(row, stage.options->json);
    if (stage.options->json) {
        printf(",\"got\":{\"staged\":%s,\"answer\":\"%s\",\"ended\":%s,\"clean\":%s,\"witness\":%s},"
               "\"good\":%s}\n",
               result->staged ? "true" : "false", deviant_answer_text(result->answer),
               result->ended ? "true" : "false", result->clean ? "true" : "false", witness ? "true" : "false",
               good ? "true" : "false");
    } else if (good) {
        puts("  ok");
    } else {
        printf("  WRONG: %s%s, %s%s%s\n", result->staged ? "" : "its state was not reached, ",
               deviant_answer_text(result->answer), result->ended ? "is over" : "lives",
               result->clean ? "" : ", could not be deleted",
               witness ? "" : ", the well-behaved session does not answer");
    }
    fflush(stdout);
}

void deviate_list(const struct options *options)
{
    for (uint32_t i = 0; i < deviations_count(); i++) {
        print_row(deviation_at(i), options->json);
        puts(options->json ? "}" : "");
    }
}

/* ---- the walk */

static bool is_wanted(const struct deviation *row)
{
    const char *name = stage.options->deviate;
    return strcmp(name, "all") == 0 || strcmp(name, row->name) == 0;
}

/* With --step whoever reads what is printed says when to go on, by a line. False: no more. */
static bool may_go_on(void)
{
    char line[16];
    return !stage.options->step || fgets(line, sizeof(line), stdin) != NULL;
}

static void walk(const struct deviation *row)
{
    struct deviant_result result = {0};
    bool before = witness_answers();
    bool good = deviant_walk(&stage.deviant, row, &result);
    bool witness = before && witness_answers();
    stage.walked++;
    stage.wrong += good && witness ? 0 : 1;
    print_result(row, &result, good && witness, witness);
}

static int stage_close(void)
{
    bool closed = initiator_delete(&stage.clients[WITNESS], load_clock());
    for (ns_t end = load_clock() + PATIENCE;
         closed && load_clock() < end && stage.clients[WITNESS].state == INITIATOR_UP;) {
        host_wait(NULL, 100 * NS_PER_MS);
    }
    net_close(&stage.net);
    if (!stage.options->json) {
        printf("%u deviations, %u not answered as the table says\n", stage.walked, stage.wrong);
    }
    return stage.wrong > 0 ? IKELOAD_FAILED : IKELOAD_OK;
}

int deviate_run(const struct options *options, const struct load_secrets *secrets)
{
    if (!stage_open(options, secrets)) {
        return IKELOAD_NO_ANSWER;
    }
    for (uint32_t i = 0; i < deviations_count(); i++) {
        if (is_wanted(deviation_at(i))) {
            if (!may_go_on()) {
                break;
            }
            walk(deviation_at(i));
        }
    }
    if (stage.walked == 0) {
        fprintf(stderr, "ikeload: no deviation '%s' (see --list-deviations)\n", options->deviate);
        return IKELOAD_USAGE;
    }
    return stage_close();
}
