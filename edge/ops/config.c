/* Loading: the shape first; values and files only when that is right. */
#include "edge/ops/config.h"

#include "edge/base/secret.h"
#include "edge/ops/config_check.h"
#include "edge/ops/config_schema.h"
#include "edge/ops/file.h"
#include "edge/ops/schema_check.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

static void fail_at(struct config_errors *errors, uint32_t line, uint32_t column, const char *format, ...)
    HF_PRINTF(4, 5);

static void fail_at(struct config_errors *errors, uint32_t line, uint32_t column, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    finding_add(errors, false, (struct finding_place){.line = line, .column = column}, "", format, args);
    va_end(args);
}

static void secrets_wipe(struct config *config)
{
    for (uint32_t i = 0; i < config->num_connections; i++) {
        const struct config_connection *connection = &config->connections[i];
        for (uint32_t k = 0; k < connection->num_secrets; k++) {
            char *secret = connection->secrets[k].secret;
            if (secret != NULL) {
                secret_wipe(secret, strlen(secret));
            }
        }
    }
}

void config_free(struct config *config)
{
    if (config == NULL) {
        return;
    }
    secrets_wipe(config);
    yaml_index_free(config->index);
    (void)cyaml_free(config_cyaml(), &config_schema, config, 0);
}

/* The text as structures, its values still unchecked. */
static struct config *shape_read(struct span text, struct config_errors *errors)
{
    struct yaml_problem problem;
    struct config *config = NULL;
    struct yaml_index *index = yaml_index_new(text, &problem);

    if (index == NULL) {
        fail_at(errors, problem.line, problem.column, "%s", problem.text);
        return NULL;
    }
    struct check check = {.index = index, .errors = errors};
    if (schema_check(&check, &config_schema)) {
        cyaml_err_t error = cyaml_load_data(text.data, text.len, config_cyaml(), &config_schema,
                                            (cyaml_data_t **)&config, NULL);
        if (error != CYAML_OK || config == NULL) {
            fail_at(errors, 0, 0, "%s", cyaml_strerror(error)); /* something that schema_check() let pass */
            config = NULL;
        }
    }
    if (config == NULL) {
        yaml_index_free(index);
        return NULL;
    }
    config->index = index;
    return config;
}

static void values_check(const struct check *check, const char *file)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(file, '/');
    size_t len = slash == NULL ? 0 : (size_t)(slash - file);

    (void)snprintf(folder, sizeof(folder), "%.*s", (int)len, file);
    check_numbers(check);
    check_listen(check);
    check_plane(check);
    check_steering(check);
    check_fleet(check);
    check_bgp(check);
    check_pools(check);
    check_identities(check);
    check_connections(check);
    check_proposals(check);
    check_timers(check);
    check_mobility(check);
    check_paths(check, slash == NULL ? "." : folder);
}

/* `mode`: permission bits of the file; negative: look at no other file. */
static bool config_read(const char *file, struct span text, int mode, struct config **ret_config,
                        struct config_errors *ret_errors)
{
    struct config *config = shape_read(text, ret_errors);
    if (config != NULL) {
        struct check check = {.config = config, .index = config->index, .errors = ret_errors};
        values_check(&check, file);
        if (mode >= 0) {
            check_files(&check, (unsigned)mode);
        }
    }
    if (ret_errors->num_errors > 0) {
        config_free(config);
        config = NULL;
    }
    *ret_config = config;
    return config != NULL;
}

bool config_parse(const char *file, struct span text, struct config **ret_config,
                  struct config_errors *ret_errors)
{
    findings_init(ret_errors, file);
    return config_read(file, text, -1, ret_config, ret_errors);
}

/* Absolute, so that paths in the file do not depend on where the daemon stands; a link to a file is not
 * followed: what is beside the link counts. */
static bool path_absolute(const char *path, char ret_path[PATH_MAX])
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t len = slash == NULL ? 0 : (size_t)(slash - path) + 1;

    if (len >= sizeof(folder)) {
        return false;
    }
    memcpy(folder, path, len);
    folder[len] = '\0';
    if (realpath(len == 0 ? "." : folder, ret_path) == NULL) {
        return false;
    }
    size_t used = strlen(ret_path);
    int more = snprintf(ret_path + used, PATH_MAX - used, "%s%s", used > 1 ? "/" : "", path + len);
    return more >= 0 && (size_t)more < PATH_MAX - used;
}

bool config_load(const char *path, struct config **ret_config, struct config_errors *ret_errors)
{
    struct file file;
    char absolute[PATH_MAX];
    const char *error =
        path_absolute(path, absolute) ? file_read(absolute, CONFIG_BYTES_MAX, &file) : "no such file";

    findings_init(ret_errors, path);
    if (error != NULL) {
        fail_at(ret_errors, 0, 0, "%s", error);
        *ret_config = NULL;
        return false;
    }
    bool loaded = config_read(absolute, span_of(file.data, file.len), (int)file.mode, ret_config, ret_errors);
    file_free(&file);
    return loaded;
}
