/* Requests: reading and writing them. */
#include "edge/ops/control.h"

#include <stdio.h>
#include <stdlib.h>
#include <yyjson.h>

static const char *const command_names[] = {
    [CONTROL_STATUS] = "status",
    [CONTROL_SESSIONS] = "sessions",
    [CONTROL_SHOW] = "show",
    [CONTROL_DISCONNECT] = "disconnect",
    [CONTROL_RELOAD] = "reload",
    [CONTROL_CHECK] = "check",
    [CONTROL_METRICS] = "metrics",
    [CONTROL_DRAIN] = "drain",
    [CONTROL_STEER] = "steer",
    [CONTROL_TRACE] = "trace",
    [CONTROL_UNDRAIN] = "undrain",
    [CONTROL_FLEET] = "fleet",
    [CONTROL_FLEET_SHARDS] = "fleet_shards",
    [CONTROL_FLEET_FORGET] = "fleet_forget",
    [CONTROL_BGP] = "bgp",
    [CONTROL_BGP_CONFIG] = "bgp_config",
    [CONTROL_BGP_ANNOUNCE] = "bgp_announce",
    [CONTROL_BGP_WITHDRAW] = "bgp_withdraw",
    [CONTROL_BGP_AUTO] = "bgp_auto",
};

const char *control_command_name(enum control_command command)
{
    hf_assert((size_t)command < HF_COUNT(command_names));
    return command_names[command];
}

/* ---- selectors ---- */

static bool hex_parse(const char *text, size_t min, uint64_t *ret_number)
{
    uint64_t number = 0;
    size_t i = 0;

    for (; text[i] != '\0'; i++) {
        char c = text[i];
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0 || i == 16) {
            return false;
        }
        number = number << 4 | (uint64_t)digit;
    }
    *ret_number = number;
    return i >= min;
}

static bool is_pattern(const char *text)
{
    return strcmp(text, "*") == 0 || strncmp(text, "*.", 2) == 0 || strncmp(text, "*@", 2) == 0;
}

bool control_selector_parse(const char *text, struct control_selector *ret_selector)
{
    struct identity id;
    size_t len = strlen(text);

    *ret_selector = (struct control_selector){0};
    if (hex_parse(text, 16, &ret_selector->session_id)) {
        ret_selector->type = SELECT_SESSION;
        return true;
    }
    if (strncmp(text, "0x", 2) == 0 && hex_parse(text + 2, 1, &ret_selector->session_id)) {
        ret_selector->type = SELECT_SPI;
        return true;
    }
    if (ip_parse(text, &ret_selector->addr)) {
        ret_selector->type = SELECT_ADDRESS;
        return true;
    }
    if (len >= sizeof(ret_selector->pattern) || (!is_pattern(text) && !identity_parse(text, &id))) {
        return false;
    }
    ret_selector->type = SELECT_IDENTITY;
    memcpy(ret_selector->pattern, text, len + 1);
    return true;
}

bool control_selects(const struct control_selector *selector, const struct session_view *view)
{
    switch (selector->type) {
    case SELECT_ALL:
        return true;
    case SELECT_SESSION:
        return view->session_id == selector->session_id;
    case SELECT_SPI:
        return view->spi_i == selector->session_id || view->spi_r == selector->session_id;
    case SELECT_IDENTITY:
        return view->remote_id != NULL && identity_matches(view->remote_id, selector->pattern);
    case SELECT_ADDRESS:
        for (uint32_t i = 0; i < view->num_addresses; i++) {
            if (ip_equal(&view->addresses[i], &selector->addr)) {
                return true;
            }
        }
        return ip_equal(&view->remote.addr, &selector->addr);
    }
    return false;
}

/* ---- reading ---- */

static bool refuse(char ret_error[CONTROL_ERROR_MAX], const char *text)
{
    (void)snprintf(ret_error, CONTROL_ERROR_MAX, "%s", text);
    return false;
}

static bool command_read(yyjson_val *value, struct control_request *request,
                         char ret_error[CONTROL_ERROR_MAX])
{
    const char *name = yyjson_get_str(value);

    for (size_t i = 0; name != NULL && i < HF_COUNT(command_names); i++) {
        if (yyjson_equals_str(value, command_names[i])) {
            request->command = (enum control_command)i;
            return true;
        }
    }
    return refuse(ret_error, "no such command");
}

/* A string without zero bytes inside, so that what is compared is what was sent. */
static const char *plain_text(yyjson_val *value)
{
    const char *text = yyjson_get_str(value);
    return text != NULL && strlen(text) == yyjson_get_len(value) ? text : NULL;
}

static bool member_read(yyjson_val *key, yyjson_val *value, struct control_request *request,
                        char ret_error[CONTROL_ERROR_MAX])
{
    if (yyjson_equals_str(key, "command")) {
        return command_read(value, request, ret_error);
    }
    if (yyjson_equals_str(key, "node")) {
        uint64_t node = yyjson_is_uint(value) ? yyjson_get_uint(value) : 0;
        request->node = (uint16_t)node;
        return (node >= 1 && node <= FLEET_NODE_MAX) || refuse(ret_error, "not the number of a node");
    }
    const char *text = plain_text(value);
    if (yyjson_equals_str(key, "select")) {
        return (text != NULL && control_selector_parse(text, &request->selector)) ||
               refuse(ret_error, "not a session id, an address or an identity");
    }
    if (yyjson_equals_str(key, "config")) {
        if (text == NULL || text[0] != '/' || strlen(text) >= sizeof(request->config)) {
            return refuse(ret_error, "config must be an absolute path");
        }
        (void)snprintf(request->config, sizeof(request->config), "%s", text);
        return true;
    }
    if (yyjson_equals_str(key, "reason")) {
        if (text == NULL || strlen(text) >= sizeof(request->reason)) {
            return refuse(ret_error, "reason must be a text of at most 159 bytes");
        }
        (void)snprintf(request->reason, sizeof(request->reason), "%s", text);
        return true;
    }
    return refuse(ret_error, "unknown member in the request");
}

static bool is_of_bgp(enum control_command command)
{
    return command == CONTROL_BGP_ANNOUNCE || command == CONTROL_BGP_WITHDRAW || command == CONTROL_BGP_AUTO;
}

static bool request_judge(const struct control_request *request, bool named,
                          char ret_error[CONTROL_ERROR_MAX])
{
    bool selects = request->command == CONTROL_SESSIONS || request->command == CONTROL_SHOW ||
                   request->command == CONTROL_DISCONNECT || request->command == CONTROL_TRACE;
    bool configures = request->command == CONTROL_CHECK || request->command == CONTROL_RELOAD;

    if (!named) {
        return refuse(ret_error, "the request names no command");
    }
    if (request->selector.type != SELECT_ALL && !selects) {
        return refuse(ret_error, "this command takes no select");
    }
    if (request->config[0] != '\0' && !configures) {
        return refuse(ret_error, "this command takes no config");
    }
    if ((request->node != 0) != (request->command == CONTROL_FLEET_FORGET)) {
        return refuse(ret_error, "node goes with fleet_forget, and it needs one");
    }
    if (request->reason[0] != '\0' && !is_of_bgp(request->command)) {
        return refuse(ret_error, "this command takes no reason");
    }
    /* By accident nobody disconnects everybody: that is "*". */
    if (request->selector.type == SELECT_ALL && selects && request->command != CONTROL_SESSIONS) {
        return refuse(ret_error, "this command needs select");
    }
    return true;
}

static bool object_read(yyjson_val *root, struct control_request *request, char ret_error[CONTROL_ERROR_MAX])
{
    yyjson_obj_iter iter;
    yyjson_val *key;

    if (!yyjson_obj_iter_init(root, &iter)) {
        return refuse(ret_error, "the request is not an object");
    }
    while ((key = yyjson_obj_iter_next(&iter)) != NULL) {
        yyjson_val *value = yyjson_obj_iter_get_val(key);
        if (yyjson_obj_getn(root, yyjson_get_str(key), yyjson_get_len(key)) != value) {
            return refuse(ret_error, "a member is there twice");
        }
        if (!member_read(key, value, request, ret_error)) {
            return false;
        }
    }
    return request_judge(request, yyjson_obj_get(root, "command") != NULL, ret_error);
}

bool control_request_parse(struct span line, struct control_request *ret_request,
                           char ret_error[CONTROL_ERROR_MAX])
{
    uint64_t memory[CONTROL_REQUEST_MAX * 4 /
                    sizeof(uint64_t)]; /* yyjson: at most 12 bytes per byte plus a copy */
    struct control_request request = {0};
    yyjson_alc alc;
    yyjson_read_err error;

    ret_error[0] = '\0';
    if (line.len >= CONTROL_REQUEST_MAX) {
        return refuse(ret_error, "the request is too long");
    }
    if (line.len == 0 || !yyjson_alc_pool_init(&alc, memory, sizeof(memory))) {
        return refuse(ret_error, "the request is empty");
    }
    /* Without YYJSON_READ_INSITU the text is copied and not written to. */
    yyjson_doc *doc =
        yyjson_read_opts((char *)(uintptr_t)line.data, line.len, YYJSON_READ_NOFLAG, &alc, &error);
    if (doc == NULL) {
        return refuse(ret_error, "the request is not JSON");
    }
    bool read = object_read(yyjson_doc_get_root(doc), &request, ret_error);
    yyjson_doc_free(doc);
    if (read) {
        *ret_request = request;
    }
    return read;
}

size_t control_request_format(char *ret_line, size_t cap, enum control_command command, const char *selector,
                              const char *config)
{
    struct json j = json_of(ret_line, cap);

    json_object_begin(&j, NULL);
    json_string(&j, "command", control_command_name(command));
    if (selector != NULL && command == CONTROL_FLEET_FORGET) {
        json_u64(&j, "node", strtoull(selector, NULL, 10));
    } else if (selector != NULL) {
        json_string(&j, "select", selector);
    }
    if (config != NULL) {
        json_string(&j, is_of_bgp(command) ? "reason" : "config", config);
    }
    json_object_end(&j);
    return json_end(&j);
}
