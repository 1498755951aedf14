/* The files that a config names: are they there, and who else may read them? */
#include "edge/ops/config_check.h"

#include "edge/ops/file.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void file_check(const struct check *check, const char *path, const char *file, bool secret)
{
    unsigned mode = 0;

    if (file == NULL) {
        return;
    }
    const char *error = file_look(file, &mode);
    if (error != NULL) {
        check_fail(check, path, "%s: %s", file, error);
    } else if (secret && file_is_open(mode)) {
        check_warn(check, path, "%s can be read by everyone (mode %04o); use chmod 600", file, mode);
    }
}

static void connection_files(const struct check *check, uint32_t i, unsigned mode, bool *ret_said)
{
    const struct config_connection *connection = &check->config->connections[i];

    for (uint32_t k = 0; k < connection->num_ca; k++) {
        file_check(check, PATH("connections[%u].ca[%u]", i, k), connection->ca[k], false);
    }
    for (uint32_t k = 0; k < connection->num_crl; k++) {
        file_check(check, PATH("connections[%u].crl[%u]", i, k), connection->crl[k], false);
    }
    for (uint32_t k = 0; k < connection->num_secrets; k++) {
        const struct config_secret *secret = &connection->secrets[k];
        file_check(check, PATH("connections[%u].secrets[%u].secret_file", i, k), secret->secret_file, true);
        if (secret->secret != NULL && file_is_open(mode) && !*ret_said) {
            *ret_said = true;
            check_warn(check, PATH("connections[%u].secrets[%u].secret", i, k),
                       "a secret in a file that everyone can read (mode %04o); use chmod 600", mode);
        }
    }
}

static void log_folder(const struct check *check)
{
    struct stat st;
    char *folder = strdup(check->config->log.file);
    char *slash = folder == NULL ? NULL : strrchr(folder, '/');

    if (slash != NULL && slash != folder) {
        *slash = '\0';
        if (stat(folder, &st) != 0 || !S_ISDIR(st.st_mode)) {
            check_fail(check, "log.file", "there is no folder %s", folder);
        }
    }
    free(folder);
}

static void user_check(const struct check *check)
{
    const char *user = check->config->user;

    if (user == NULL && getpwnam(CONFIG_USER_DEFAULT) == NULL) {
        check_warn(check, "user",
                   "the daemon stays root, with CAP_NET_ADMIN alone: there is no user '" CONFIG_USER_DEFAULT
                   "' on this host; make it, or name another");
    } else if (user != NULL && getpwnam(user) == NULL) {
        check_warn(check, "user", "there is no user '%s' on this host", user);
    }
}

void check_files(const struct check *check, unsigned mode)
{
    const struct config *config = check->config;
    bool said = false;

    for (uint32_t i = 0; i < config->num_identities; i++) {
        file_check(check, PATH("identities[%u].certificate", i), config->identities[i].certificate, false);
        file_check(check, PATH("identities[%u].key", i), config->identities[i].key, true);
    }
    for (uint32_t i = 0; i < config->num_connections; i++) {
        connection_files(check, i, mode, &said);
    }
    if (!config->fleet_key_generated) {
        file_check(check, "fleet_key", config->fleet_key, true);
    }
    for (uint32_t i = 0; i < config->bgp.num_neighbours; i++) {
        file_check(check, PATH("bgp.neighbours[%u].password_file", i),
                   config->bgp.neighbours[i].password_file, true);
    }
    file_check(check, "store.password_file", config->store.password_file, true);
    file_check(check, "store.tls.ca", config->store.tls.ca, false);
    file_check(check, "store.tls.certificate", config->store.tls.certificate, false);
    file_check(check, "store.tls.key", config->store.tls.key, true);
    user_check(check);
    if (config->log.file != NULL && strcmp(config->log.file, "-") != 0) {
        log_folder(check);
    }
}
