/* The sender. It is never further ahead of the gateway than a few answers to questions in the sessions, so
 * that what is sent is also received. */
#include "tools/ikeload/hostile.h"

#include "tools/ikeload/chores.h"
#include "tools/ikeload/identity.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

enum {
    BATCHES_PER_QUESTION = 12,
    QUESTIONS_OPEN = 2,
    SEALED_SESSIONS = 20, /* so many sessions lend authentic messages */
};

#define LINE_EVERY (5 * NS_PER_S)
#define LAST_WAIT (20 * NS_PER_S)

/* ---- what is damaged */

static void seed_add(struct hostile *h, struct span bytes)
{
    if (h->num_seeds < HOSTILE_SEEDS_MAX && bytes.len >= 28 && bytes.len <= HOSTILE_BYTES_MAX) {
        struct hostile_seed *seed = &h->seeds[h->num_seeds++];
        memcpy(seed->bytes, bytes.data, bytes.len);
        seed->len = bytes.len;
    }
}

static void keep_seed(void *context, const struct endpoint *local, const struct endpoint *remote, bool natt,
                      struct span bytes)
{
    (void)local, (void)remote, (void)natt;
    seed_add(context, bytes);
}

/* Messages of established sessions under ids that have been used: whole, they get the old answer again. */
static void seeds_sealed(struct hostile *h, struct initiator *client)
{
    uint32_t count = HF_MIN(h->load->options->sessions, (uint32_t)SEALED_SESSIONS);
    for (uint32_t i = 0; i < count; i++) {
        struct session copy = h->load->sessions[i];
        if (copy.state != SESSION_PARKED) {
            continue;
        }
        copy.next_id--;
        copy.iv += UINT64_C(1) << 40; /* no key seals twice under one IV */
        session_resume(&copy, client, UINT32_MAX);
        bool begun = i % 4 == 1   ? initiator_create_child(client, h->load->now)
                     : i % 4 == 2 ? initiator_rekey_ike(client, h->load->now)
                     : i % 4 == 3 ? initiator_delete(client, h->load->now)
                                  : initiator_dpd(client, h->load->now);
        (void)begun;
    }
    h->num_sealed = h->num_seeds;
}

static void seeds_own(struct hostile *h)
{
    static struct initiator client;
    struct initiator_config config = h->load->places[0].client.config;
    config.context = h;
    config.send = keep_seed;
    config.local = (struct endpoint){h->load->local, 500};
    identity_number(h->load->options->identity, 0, &config.id);
    initiator_init(&client, &config);
    seeds_sealed(h, &client);
    initiator_connect(&client, h->load->now);
}

static bool seeds_from(struct hostile *h, const char *folder)
{
    char path[4096];
    uint8_t bytes[HOSTILE_BYTES_MAX];
    DIR *dir = opendir(folder);
    if (dir == NULL) {
        fprintf(stderr, "ikeload: %s cannot be read\n", folder);
        return false;
    }
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        FILE *file = entry->d_name[0] == '.' ? NULL : fopen(path, "rbe");
        if (file != NULL) {
            seed_add(h, span_of(bytes, fread(bytes, 1, sizeof(bytes), file)));
            fclose(file);
        }
    }
    closedir(dir);
    return true;
}

bool hostile_init(struct hostile *h, struct load *load)
{
    memset(h, 0, sizeof(*h));
    h->load = load;
    h->rand = sim_rand_of(load->options->seed);
    h->started = load->now = load_clock();
    h->next_line = h->started + LINE_EVERY;
    seeds_own(h);
    return load->options->corpus == NULL || seeds_from(h, load->options->corpus);
}

/* ---- sending */

static void batch_send(struct hostile *h)
{
    const struct options *options = h->load->options;
    struct net_shot shots[HOSTILE_BATCH];
    uint32_t count = (uint32_t)HF_MIN(options->hostile - h->sent, (uint64_t)HOSTILE_BATCH);
    for (uint32_t i = 0; i < count; i++) {
        hostile_make(h, &h->shots[i]);
        uint64_t source = sim_rand_next(&h->rand) % HF_MAX(options->num_sources, UINT64_C(1));
        shots[i] = (struct net_shot){.from = options->num_sources > 0 ? ip_add(&options->source, source)
                                                                      : h->load->local,
                                     .to = {options->gateway, h->shots[i].natt ? 4500 : 500},
                                     .bytes = span_of(h->shots[i].bytes, h->shots[i].len)};
    }
    uint32_t socket = sim_rand_below(&h->rand, options->num_ports);
    h->unsent += count - net_send_many(&h->load->net, socket, shots, count);
    h->sent += count;
}

static bool is_ahead(const struct hostile *h, ns_t now)
{
    double rate = h->load->options->rate;
    uint32_t busy = h->load->options->window - h->load->num_free;
    return busy >= QUESTIONS_OPEN || (rate > 0 && (double)h->sent > (double)(now - h->started) / 1e9 * rate);
}

/* In the next session that is up. */
static void ask(struct hostile *h, ns_t now)
{
    uint32_t sessions = h->load->options->sessions;
    for (uint32_t i = 0; i < sessions; i++) {
        uint32_t index = h->next_session++ % sessions;
        if (session_ask(h->load, now, index)) {
            h->asked++;
            return;
        }
    }
}

static void progress(struct hostile *h, ns_t now)
{
    if (!h->load->options->quiet && now >= h->next_line) {
        fprintf(stderr, "hostile: %llu of %llu (%.0f/s), %llu sessions up, %llu of %llu questions answered\n",
                (unsigned long long)h->sent, (unsigned long long)h->load->options->hostile,
                (double)h->sent / ((double)(now - h->started) / 1e9), (unsigned long long)h->load->tally.up,
                (unsigned long long)h->load->tally.done[CHORE_DPD], (unsigned long long)h->asked);
        h->next_line = now + LINE_EVERY;
    }
}

bool hostile_step(struct hostile *h)
{
    ns_t now = load_clock();
    load_timers(h->load, now);
    progress(h, now);
    if (is_ahead(h, now)) {
        load_wait(h->load, now + NS_PER_MS);
        return true;
    }
    for (uint32_t i = 0; i < BATCHES_PER_QUESTION && h->sent < h->load->options->hostile; i++) {
        batch_send(h);
    }
    ask(h, now);
    load_wait(h->load, now);
    return h->sent < h->load->options->hostile && h->load->tally.up > 0;
}

/* What is under way comes to its end, for so long at most. */
static void let_rest(struct load *load)
{
    ns_t end = load_clock() + LAST_WAIT;
    for (ns_t now; (now = load_clock()) < end && !load_is_idle(load);) {
        load_timers(load, now);
        load_wait(load, now + 10 * NS_PER_MS);
    }
}

void hostile_end(struct hostile *h)
{
    struct load *load = h->load;
    h->ended = load_clock();
    let_rest(load);
    uint64_t before = load->tally.done[CHORE_DPD];
    for (uint32_t index = 0; index < load->options->sessions; index++) {
        if (load->num_free == 0) {
            let_rest(load);
        }
        h->asked += session_ask(load, load_clock(), index) ? 1 : 0; /* else it is gone: the summary says so */
    }
    let_rest(load);
    double took = (double)(h->ended - h->started) / 1e9;
    fprintf(
        stderr,
        "hostile: seed %llu, %llu sent in %.1f s (%.0f/s), %llu not taken by the kernel; afterwards %llu of "
        "%u sessions answer\n",
        (unsigned long long)load->options->seed, (unsigned long long)h->sent, took, (double)h->sent / took,
        (unsigned long long)h->unsent, (unsigned long long)(load->tally.done[CHORE_DPD] - before),
        load->options->sessions);
}
