/* holdfast spi: what an SPI says. Works on the config and its fleet key, without the daemon. */
#include "edge/base/secret.h"
#include "edge/core/core.h"
#include "edge/ops/config.h"
#include "edge/ops/fleet_key.h"
#include "tools/holdfast/command.h"
#include "tools/holdfast/findings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static bool load_layout(const char *path, struct hf_spi_config *ret)
{
    static struct config_errors errors;
    struct config *config;
    if (!config_load(path, &config, &errors)) {
        findings_print(stderr, &errors);
        return false;
    }
    uint8_t key[FLEET_KEY_BYTES];
    char error[FLEET_KEY_ERROR_MAX];
    bool loaded = fleet_key_load(config->fleet_key, key, error);
    if (loaded) {
        core_spi_config(key, config->shard_bits, config->steering.key_epoch, ret);
    } else {
        cli_error(CLI_FAILED, "%s", error);
    }
    secret_wipe(key, sizeof(key));
    config_free(config);
    return loaded;
}

static void print_spi(const struct cli *cli, const char *text, bool is_ike, bool ours,
                      const struct hf_spi *spi)
{
    const char *kind = is_ike ? "ike" : "esp";
    if (cli->json) {
        printf("{\"spi\":\"%s\",\"kind\":\"%s\",\"valid\":%s", text, kind, ours ? "true" : "false");
        if (ours) {
            printf(",\"epoch\":%u,\"shard\":%u,\"index\":%u,\"generation\":%u", spi->epoch, spi->shard,
                   spi->index, spi->generation);
        }
        puts("}");
    } else if (!ours) {
        printf("%s  %s SPI, not of this fleet\n", text, is_ike ? "IKE" : "ESP");
    } else {
        printf("%s  %s SPI: key epoch %u, shard %u, index %u", text, is_ike ? "IKE" : "ESP", spi->epoch,
               spi->shard, spi->index);
        printf(is_ike ? ", generation %u\n" : "\n", spi->generation);
    }
}

int cmd_spi(const struct cli *cli, int argc, char **argv)
{
    struct hf_spi_config layout;
    if (argc < 2) {
        return cli_error(CLI_USAGE, "see holdfast spi --help");
    }
    if (!load_layout(cli->config, &layout)) {
        return CLI_FAILED;
    }
    int code = CLI_OK;
    for (int i = 1; i < argc; i++) {
        char *end;
        errno = 0;
        uint64_t value = strtoull(argv[i], &end, 16);
        if (*end != '\0' || end == argv[i] || errno != 0) {
            code = cli_error(CLI_USAGE, "'%s' is not a hexadecimal SPI", argv[i]);
            continue;
        }
        struct hf_spi spi = {0};
        bool is_ike = strlen(argv[i]) > strlen("0x00000000");
        bool ours = is_ike ? hf_ike_spi_decode(&layout, value, &spi)
                           : hf_esp_spi_decode(&layout, (uint32_t)value, &spi);
        print_spi(cli, argv[i], is_ike, ours, &spi);
        code = ours || code != CLI_OK ? code : CLI_FAILED;
    }
    secret_wipe(&layout, sizeof(layout));
    return code;
}
