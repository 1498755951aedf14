/* The protocol of the control socket (docs/CONTROL.md): a request is one line with a JSON object, the answer
 * is lines with JSON objects, of which the last has the member "ok". Here are reading of requests and writing
 * of lines; sockets are the daemon's and the CLI's. */
#pragma once

#include "edge/ops/config_diff.h"
#include "edge/ops/json.h"
#include "edge/ops/snapshot.h"

#define CONTROL_REQUEST_MAX 4096 /* with the newline */
#define CONTROL_LINE_MAX 65536   /* one line of an answer, metrics excepted */
#define CONTROL_ERROR_MAX 200

enum control_command {
    CONTROL_STATUS,
    CONTROL_SESSIONS,
    CONTROL_SHOW,
    CONTROL_DISCONNECT,
    CONTROL_RELOAD,
    CONTROL_CHECK,
    CONTROL_METRICS,
    CONTROL_DRAIN,
    CONTROL_STEER,
    CONTROL_TRACE,
    CONTROL_UNDRAIN,
    CONTROL_FLEET,
    CONTROL_FLEET_SHARDS,
    CONTROL_FLEET_FORGET,
    CONTROL_BGP,
    CONTROL_BGP_CONFIG,
    CONTROL_BGP_ANNOUNCE,
    CONTROL_BGP_WITHDRAW,
    CONTROL_BGP_AUTO,
};
const char *control_command_name(enum control_command command);

/* Which sessions are meant. */
enum control_selector_type {
    SELECT_ALL,
    SELECT_SESSION, /* 16 hex digits */
    SELECT_ADDRESS, /* inner address, or outer (several behind one NAT) */
    SELECT_SPI,     /* 0x and up to 16 hex digits: an IKE SPI, or for CONTROL_TRACE one of ours, IKE or ESP */
    SELECT_IDENTITY, /* exact, or a pattern as identity_matches() reads it */
};

struct control_selector {
    enum control_selector_type type;
    uint64_t session_id; /* or the SPI */
    struct ip_addr addr;
    char pattern[IDENTITY_TEXT_MAX];
};

struct control_request {
    enum control_command command;
    struct control_selector selector; /* SELECT_ALL when the request names none (SHOW never does) */
    char reason[160];                 /* BGP_ANNOUNCE, BGP_WITHDRAW: why, for the log; empty: not said */
    char config[256];                 /* CHECK, RELOAD: another file than the running one; empty: the same */
    uint16_t node;                    /* FLEET_FORGET: 1..FLEET_NODE_MAX */
};

/* Text as people type it: a session id, an address, an identity or pattern. False for what is none of them.
 */
HF_MUST bool control_selector_parse(const char *text, struct control_selector *ret_selector);
bool control_selects(const struct control_selector *selector, const struct session_view *view);

/* `line` is without its newline and of any length. False with a reason; a request is never taken in part. No
 * memory is allocated. */
HF_MUST bool control_request_parse(struct span line, struct control_request *ret_request,
                                   char ret_error[CONTROL_ERROR_MAX]);
/* The line (without newline) for a request, by the CLI: `selector`, which for FLEET_FORGET is a node's
 * number, and `config`, which for BGP_* is the reason, may be NULL. 0 when it does not fit. */
size_t control_request_format(char *ret_line, size_t cap, enum control_command command, const char *selector,
                              const char *config);

/* Lines of answers, without newline; each returns the length, 0 when it did not fit. `counters` has one entry
 * per child of the view, or is NULL. */
size_t control_session_format(char *ret_line, size_t cap, const struct session_view *view, uint32_t worker,
                              const struct plane_counters *counters);
size_t control_finding_format(char *ret_line, size_t cap, const struct config_errors *errors,
                              const struct config_finding *finding);
size_t control_change_format(char *ret_line, size_t cap, const struct config_change *change);
size_t control_status_format(char *ret_line, size_t cap, const struct snapshot *snapshot);
/* The last line: {"ok":true,"count":n} after rows, or {"ok":false,"error":"no_session","message":"..."}. */
size_t control_done_format(char *ret_line, size_t cap, uint32_t count);
size_t control_error_format(char *ret_line, size_t cap, const char *error, const char *message);
/* A text as {"text":"..."}: metrics. Needs up to six times its length. */
size_t control_text_format(char *ret_line, size_t cap, const char *text);
