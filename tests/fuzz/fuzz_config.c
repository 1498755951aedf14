/* Target functions: config_parse, config_find, config_diff, config_free; control_request_parse. The input is
 * a config, in memory: no other file is looked at. Oracle: a config is taken without errors or refused with
 * at least one; findings are in order, printable and inside the file; a config that is taken differs in
 * nothing from itself, and resolved values are within their limits. */
#include "edge/ops/config_diff.h"
#include "edge/ops/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct config_errors errors;
static struct config_changes changes;

static void findings_check(uint32_t num_lines)
{
    char line[CONFIG_LINE_MAX];

    hf_assert(errors.count <= CONFIG_FINDINGS_MAX && errors.count <= errors.num_errors + errors.num_warnings);
    for (uint32_t i = 0; i < errors.count; i++) {
        const struct config_finding *finding = &errors.v[i];
        hf_assert(finding->line <= num_lines);
        hf_assert(i == 0 || finding->line >= errors.v[i - 1].line);
        for (const char *c = config_finding_format(&errors, finding, line); *c != '\0'; c++) {
            hf_assert((unsigned char)*c >= 0x20 && *c != 0x7f);
        }
    }
}

static void config_check(const struct config *config)
{
    hf_assert(config->listen.num_addresses > 0 && config->listen.num_addresses <= CONFIG_LISTEN_MAX);
    hf_assert(config->listen.ike_port > 0 && config->listen.natt_port > 0);
    hf_assert(config->shard_bits >= SHARD_BITS_MIN && config->shard_bits <= SHARD_BITS_MAX);
    hf_assert(config->num_workers <= WORKERS_MAX && config->num_workers <= 1u << config->shard_bits);
    hf_assert(config->store.path != NULL && config->fleet_key != NULL && config->control.socket != NULL);
    hf_assert(config->timers.half_open_ns > 0 && config->timers.ike_lifetime_ns > 0);
    hf_assert(config->proposals.ike.num_encrs > 0 && config->proposals.ike.num_kes > 0);
    for (uint32_t i = 0; i < config->num_connections; i++) {
        const struct config_connection *connection = &config->connections[i];
        hf_assert(connection->identity_index < config->num_identities);
        hf_assert(connection->pool_index < (int32_t)config->num_pools);
        hf_assert(connection->num_match > 0 && connection->num_prefixes > 0);
        hf_assert(connection->auth == CONFIG_AUTH_PSK ? connection->num_secrets > 0 : connection->num_ca > 0);
    }
}

static uint32_t lines_of(const uint8_t *data, size_t size)
{
    uint32_t lines = 1;
    for (size_t i = 0; i < size; i++) {
        /* CR, LF, and NEL, LS, PS in UTF-8 or UTF-16: whatever libyaml may count, and more. */
        lines += data[i] == '\n' || data[i] == '\r' || data[i] == 0x85 || data[i] == 0xa8 ||
                 data[i] == 0xa9 || data[i] == 0x28 || data[i] == 0x29;
    }
    return lines + 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config *config;
    struct control_request request;
    char error[CONTROL_ERROR_MAX];

    bool taken = config_parse("/etc/holdfast/holdfast.yaml", span_of(data, size), &config, &errors);
    hf_assert(taken == (config != NULL) && taken == (errors.num_errors == 0));
    if (taken) {
        config_check(config);
        config_diff(config, config, &changes);
        hf_assert(changes.total == 0);
        config_find(config, &errors, true, "connections[0].secrets[9].x", "%s", "a finding made later");
        config_free(config);
    }
    findings_check(lines_of(data, size));
    if (control_request_parse(span_of(data, size), &request, error)) {
        hf_assert(request.command <= CONTROL_TRACE);
    }
    return 0;
}
