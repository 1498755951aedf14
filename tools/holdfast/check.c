/* holdfast check: the config as the daemon would read it, nothing applied. */
#include "edge/ops/policy_build.h"
#include "tools/holdfast/command.h"
#include "tools/holdfast/findings.h"

#include <time.h>
#include <yyjson.h>

void findings_print(FILE *out, const struct config_errors *errors)
{
    char line[CONFIG_LINE_MAX];
    for (uint32_t i = 0; i < errors->count; i++) {
        fprintf(out, "%s\n", config_finding_format(errors, &errors->v[i], line));
    }
    if (errors->num_errors + errors->num_warnings > errors->count) {
        fprintf(out, "... and %u more\n", errors->num_errors + errors->num_warnings - errors->count);
    }
}

static void findings_json(const struct config_errors *errors, bool ok)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    yyjson_mut_obj_add_bool(doc, root, "ok", ok);
    yyjson_mut_obj_add_str(doc, root, "file", errors->file);
    yyjson_mut_val *findings = yyjson_mut_obj_add_arr(doc, root, "findings");
    for (uint32_t i = 0; i < errors->count; i++) {
        const struct config_finding *finding = &errors->v[i];
        yyjson_mut_val *row = yyjson_mut_arr_add_obj(doc, findings);
        yyjson_mut_obj_add_str(doc, row, "level", finding->warning ? "warning" : "error");
        yyjson_mut_obj_add_uint(doc, row, "line", finding->line);
        yyjson_mut_obj_add_uint(doc, row, "column", finding->column);
        yyjson_mut_obj_add_str(doc, row, "path", finding->path);
        yyjson_mut_obj_add_str(doc, row, "reason", finding->reason);
    }
    yyjson_mut_write_fp(stdout, doc, YYJSON_WRITE_NOFLAG, NULL, NULL);
    putchar('\n');
    yyjson_mut_doc_free(doc);
}

int cmd_check(const struct cli *cli, int argc, char **argv)
{
    static struct config_errors errors;
    if (argc > 2) {
        return cli_error(CLI_USAGE, "see holdfast check --help");
    }
    const char *path = argc == 2 ? argv[1] : cli->config;
    struct config *config = NULL;
    struct policy *policy = NULL;
    struct policy_setup setup = {.workers = 1, .now_unix_s = time(NULL)};
    bool ok = config_load(path, &config, &errors);
    if (ok) {
        policy = policy_build(config, &setup, &errors);
        ok = policy != NULL;
    }
    policy_free(policy);
    config_free(ok || config != NULL ? config : NULL);
    if (cli->json) {
        findings_json(&errors, ok);
    } else {
        findings_print(stdout, &errors);
        printf("%s: %s\n", path, ok ? "ok" : "refused");
    }
    return ok ? CLI_OK : CLI_FAILED;
}
