/* holdfast steer: what the steering program does. */
#include "tools/holdfast/client.h"
#include "tools/holdfast/show.h"
#include "tools/holdfast/table.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define VERDICTS_MAX 128

struct look {
    uint64_t packets[VERDICTS_MAX];
    double at_s;
    yyjson_mut_doc *doc; /* a copy of the answer */
};

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void on_row(void *context, yyjson_val *line)
{
    struct look *look = context;
    yyjson_val *row = yyjson_obj_get(line, "steering"), *verdict;
    size_t i, max;
    if (row == NULL) {
        return;
    }
    look->at_s = now_s();
    yyjson_arr_foreach(yyjson_obj_get(row, "verdicts"), i, max, verdict)
    {
        if (i < VERDICTS_MAX) {
            look->packets[i] = yyjson_get_uint(yyjson_obj_get(verdict, "packets"));
        }
    }
    look->doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_doc_set_root(look->doc, yyjson_val_mut_copy(look->doc, row));
}

/* Packets per second between the two looks, into the later one. */
static void rates_add(const struct look *before, struct look *after)
{
    yyjson_mut_val *verdicts = yyjson_mut_obj_get(yyjson_mut_doc_get_root(after->doc), "verdicts"), *verdict;
    size_t i, max;
    yyjson_mut_arr_foreach(verdicts, i, max, verdict)
    {
        double rate = 0;
        if (i < VERDICTS_MAX && after->at_s > before->at_s && after->packets[i] >= before->packets[i]) {
            rate = (double)(after->packets[i] - before->packets[i]) / (after->at_s - before->at_s);
        }
        yyjson_mut_obj_add_uint(after->doc, verdict, "packets_per_s", (uint64_t)(rate + 0.5));
    }
}

static void print_verdicts(yyjson_val *verdicts, bool all)
{
    static const char *const titles[] = {"verdict", "action", "packets", "bytes", "packets/s"};
    static const char *const numbers[] = {"packets", "bytes", "packets_per_s"};
    struct table table = table_of(titles, sizeof(titles) / sizeof(titles[0]));
    yyjson_val *verdict;
    size_t i, max;
    yyjson_arr_foreach(verdicts, i, max, verdict)
    {
        if (!all && yyjson_get_uint(yyjson_obj_get(verdict, "packets")) == 0) {
            continue;
        }
        table_add(&table, yyjson_get_str(yyjson_obj_get(verdict, "verdict")));
        table_add(&table, yyjson_get_str(yyjson_obj_get(verdict, "action")));
        for (size_t k = 0; k < sizeof(numbers) / sizeof(numbers[0]); k++) {
            char text[24];
            snprintf(text, sizeof(text), "%llu",
                     (unsigned long long)yyjson_get_uint(yyjson_obj_get(verdict, numbers[k])));
            table_add(&table, text);
        }
    }
    table_print(&table, stdout);
}

static void print(const struct cli *cli, struct look *look, bool all)
{
    if (cli->json) {
        yyjson_mut_write_fp(stdout, look->doc, YYJSON_WRITE_NOFLAG, NULL, NULL);
        putchar('\n');
        return;
    }
    yyjson_mut_val *root = yyjson_mut_doc_get_root(look->doc);
    yyjson_mut_val *rows = yyjson_mut_obj_remove_key(root, "verdicts");
    yyjson_doc *doc = yyjson_mut_doc_imut_copy(look->doc, NULL);
    show_object(yyjson_doc_get_root(doc), 0);
    yyjson_doc_free(doc);
    if (rows != NULL) {
        yyjson_mut_doc_set_root(look->doc, rows);
        doc = yyjson_mut_doc_imut_copy(look->doc, NULL);
        putchar('\n');
        print_verdicts(yyjson_doc_get_root(doc), all);
        yyjson_doc_free(doc);
    }
}

int cmd_steer(const struct cli *cli, int argc, char **argv)
{
    bool all = argc == 2 && strcmp(argv[1], "--all") == 0;
    struct look looks[2] = {0};
    int code = CLI_OK;
    if (argc != 1 && !all) {
        return cli_error(CLI_USAGE, "see holdfast steer --help");
    }
    for (int i = 0; i < 2 && code == CLI_OK; i++) {
        if (i > 0) {
            (void)sleep(1);
        }
        code = client_ask(cli, CONTROL_STEER, NULL, NULL, on_row, &looks[i], NULL);
    }
    if (code == CLI_OK && looks[0].doc != NULL && looks[1].doc != NULL) {
        rates_add(&looks[0], &looks[1]);
        print(cli, &looks[1], all);
    }
    yyjson_mut_doc_free(looks[0].doc);
    yyjson_mut_doc_free(looks[1].doc);
    return code;
}
