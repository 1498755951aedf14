/* holdfast trace: what steering decides, packet by packet. */
#include "tools/holdfast/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LOOK_US 200000 /* the daemon keeps so much of a trace, and more */

static const char *text_of(yyjson_val *row, const char *key)
{
    const char *text = yyjson_get_str(yyjson_obj_get(row, key));
    return text == NULL ? "-" : text;
}

static void print_number(yyjson_val *row, const char *key)
{
    yyjson_val *number = yyjson_obj_get(row, key);
    if (number != NULL) {
        printf("  %s %llu", key, (unsigned long long)yyjson_get_uint(number));
    }
}

static void on_row(void *context, yyjson_val *line)
{
    const struct cli *cli = context;
    yyjson_val *row = yyjson_obj_get(line, "trace");
    if (cli->json) {
        yyjson_val_write_fp(stdout, row, YYJSON_WRITE_NOFLAG, NULL, NULL);
        putchar('\n');
        return;
    }
    printf("%s  %s > %s", text_of(row, "time"), text_of(row, "source"), text_of(row, "destination"));
    print_number(row, "protocol");
    print_number(row, "bytes");
    printf("  spi %s", text_of(row, "spi"));
    print_number(row, "shard");
    print_number(row, "node");
    print_number(row, "worker");
    print_number(row, "hop");
    printf("  %s\n", text_of(row, "verdict"));
}

int cmd_trace(const struct cli *cli, int argc, char **argv)
{
    char *end = NULL;
    long seconds = argc == 3 ? strtol(argv[2], &end, 10) : 0;
    if (argc < 2 || argc > 3 || (argc == 3 && (*end != '\0' || seconds < 1 || seconds > 86400))) {
        return cli_error(CLI_USAGE, "see holdfast trace --help");
    }
    long looks = seconds * (1000000 / LOOK_US);
    int code = client_ask(cli, CONTROL_TRACE, argv[1], NULL, on_row, (void *)cli, NULL);
    for (long i = 0; code == CLI_OK && (seconds == 0 || i < looks); i++) {
        fflush(stdout);
        (void)usleep(LOOK_US);
        code = client_ask(cli, CONTROL_TRACE, argv[1], NULL, on_row, (void *)cli, NULL);
    }
    return code;
}
