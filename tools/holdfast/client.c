#include "tools/holdfast/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static FILE *client_connect(const struct cli *cli)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(cli->socket) >= sizeof(address.sun_path)) {
        cli_error(CLI_USAGE, "%s: name too long for a socket", cli->socket);
        return NULL;
    }
    memcpy(address.sun_path, cli->socket, strlen(cli->socket) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        cli_error(CLI_UNREACHABLE, "no daemon answers on %s: %s", cli->socket, strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return NULL;
    }
    FILE *stream = fdopen(fd, "r+");
    if (stream == NULL) {
        close(fd);
    }
    return stream;
}

static int exit_code_of(const char *error)
{
    return error != NULL && strcmp(error, "no_session") == 0 ? CLI_NOT_FOUND : CLI_FAILED;
}

/* The last line: {"ok":...}. */
static int client_finish(yyjson_val *root)
{
    if (yyjson_get_bool(yyjson_obj_get(root, "ok"))) {
        return CLI_OK;
    }
    const char *error = yyjson_get_str(yyjson_obj_get(root, "error"));
    const char *message = yyjson_get_str(yyjson_obj_get(root, "message"));
    return cli_error(exit_code_of(error), "%s", message != NULL ? message : "refused");
}

int client_ask(const struct cli *cli, enum control_command command, const char *selector, const char *config,
               void (*row)(void *context, yyjson_val *value), void *context, yyjson_doc **ret_done)
{
    char request[CONTROL_REQUEST_MAX];
    if (control_request_format(request, sizeof(request), command, selector, config) == 0) {
        return cli_error(CLI_USAGE, "request too long");
    }
    FILE *stream = client_connect(cli);
    if (stream == NULL) {
        return CLI_UNREACHABLE;
    }
    int code = -1;
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;
    fprintf(stream, "%s\n", request);
    fflush(stream);
    while (code < 0 && (len = getline(&line, &cap, stream)) > 0) {
        yyjson_doc *doc = yyjson_read(line, (size_t)len, 0);
        yyjson_val *root = yyjson_doc_get_root(doc);
        if (root == NULL) {
            code = cli_error(CLI_FAILED, "the daemon's answer is not JSON");
        } else if (yyjson_obj_get(root, "ok") != NULL) {
            code = client_finish(root);
            if (ret_done != NULL) {
                *ret_done = doc;
                doc = NULL;
            }
        } else if (row != NULL) {
            row(context, root);
        }
        yyjson_doc_free(doc);
    }
    free(line);
    fclose(stream);
    return code >= 0 ? code : cli_error(CLI_UNREACHABLE, "the daemon closed the connection");
}
