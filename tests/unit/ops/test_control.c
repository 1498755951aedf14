#include "edge/ops/control.h"
#include "tests/unit/ops/fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <yyjson.h>

static char line[CONTROL_LINE_MAX];

Test(control, good_requests)
{
    static const struct {
        const char *text;
        enum control_command command;
        enum control_selector_type selector;
    } rows[] = {
        {"{\"command\":\"status\"}", CONTROL_STATUS, SELECT_ALL},
        {" {\"command\" : \"sessions\" } ", CONTROL_SESSIONS, SELECT_ALL},
        {"{\"command\":\"sessions\",\"select\":\"*@example.net\"}", CONTROL_SESSIONS, SELECT_IDENTITY},
        {"{\"select\":\"00c0ffee00000001\",\"command\":\"show\"}", CONTROL_SHOW, SELECT_SESSION},
        {"{\"command\":\"show\",\"select\":\"2001:db8::7\"}", CONTROL_SHOW, SELECT_ADDRESS},
        {"{\"command\":\"disconnect\",\"select\":\"10.9.0.17\"}", CONTROL_DISCONNECT, SELECT_ADDRESS},
        {"{\"command\":\"disconnect\",\"select\":\"*\"}", CONTROL_DISCONNECT, SELECT_IDENTITY},
        {"{\"command\":\"disconnect\",\"select\":\"CN=alice, O=Acme\"}", CONTROL_DISCONNECT, SELECT_IDENTITY},
        {"{\"command\":\"reload\"}", CONTROL_RELOAD, SELECT_ALL},
        {"{\"command\":\"check\",\"config\":\"/etc/holdfast/new.yaml\"}", CONTROL_CHECK, SELECT_ALL},
        {"{\"command\":\"metrics\"}", CONTROL_METRICS, SELECT_ALL},
        {"{\"command\":\"drain\"}", CONTROL_DRAIN, SELECT_ALL},
        {"{\"command\":\"undrain\"}", CONTROL_UNDRAIN, SELECT_ALL},
        {"{\"command\":\"steer\"}", CONTROL_STEER, SELECT_ALL},
        {"{\"command\":\"fleet\"}", CONTROL_FLEET, SELECT_ALL},
        {"{\"command\":\"fleet_shards\"}", CONTROL_FLEET_SHARDS, SELECT_ALL},
        {"{\"command\":\"fleet_forget\",\"node\":1023}", CONTROL_FLEET_FORGET, SELECT_ALL},
        {"{\"command\":\"trace\",\"select\":\"192.0.2.7\"}", CONTROL_TRACE, SELECT_ADDRESS},
        {"{\"command\":\"trace\",\"select\":\"0x400002c1\"}", CONTROL_TRACE, SELECT_SPI},
    };
    char error[CONTROL_ERROR_MAX];

    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct control_request request;
        cr_assert(control_request_parse(span_of_string(rows[i].text), &request, error), "%s: %s",
                  rows[i].text, error);
        cr_assert_eq(request.command, rows[i].command, "%s", rows[i].text);
        cr_assert_eq(request.selector.type, rows[i].selector, "%s", rows[i].text);
    }
}

Test(control, bad_requests)
{
    static const struct {
        const char *text, *error;
    } rows[] = {
        {"", "the request is empty"},
        {"status", "the request is not JSON"},
        {"{\"command\":\"status\"", "the request is not JSON"},
        {"{\"command\":\"status\"}{}", "the request is not JSON"},
        {"\"status\"", "the request is not an object"},
        {"[]", "the request is not an object"},
        {"{}", "the request names no command"},
        {"{\"command\":\"fleet_forget\"}", "node goes with fleet_forget, and it needs one"},
        {"{\"command\":\"fleet\",\"node\":1}", "node goes with fleet_forget, and it needs one"},
        {"{\"command\":\"fleet_forget\",\"node\":0}", "not the number of a node"},
        {"{\"command\":\"fleet_forget\",\"node\":1024}", "not the number of a node"},
        {"{\"command\":\"fleet_forget\",\"node\":\"1\"}", "not the number of a node"},
        {"{\"command\":1}", "no such command"},
        {"{\"command\":\"stat\"}", "no such command"},
        {"{\"command\":\"status\\u0000x\"}", "no such command"},
        {"{\"command\":\"status\",\"command\":\"drain\"}", "a member is there twice"},
        {"{\"command\":\"status\",\"x\":1}", "unknown member in the request"},
        {"{\"command\":\"status\",\"select\":\"*\"}", "this command takes no select"},
        {"{\"command\":\"drain\",\"config\":\"/x\"}", "this command takes no config"},
        {"{\"command\":\"show\"}", "this command needs select"},
        {"{\"command\":\"disconnect\"}", "this command needs select"},
        {"{\"command\":\"disconnect\",\"select\":\"\"}", "not a session id, an address or an identity"},
        {"{\"command\":\"disconnect\",\"select\":\"a\\u0000b\"}",
         "not a session id, an address or an identity"},
        {"{\"command\":\"disconnect\",\"select\":[]}", "not a session id, an address or an identity"},
        {"{\"command\":\"check\",\"config\":\"x.yaml\"}", "config must be an absolute path"},
    };
    char error[CONTROL_ERROR_MAX];

    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        struct control_request request = {.command = CONTROL_DRAIN};
        cr_assert(!control_request_parse(span_of_string(rows[i].text), &request, error), "%s", rows[i].text);
        cr_assert_str_eq(error, rows[i].error, "%s: %s", rows[i].text, error);
        cr_assert_eq(request.command, CONTROL_DRAIN);
    }
}

/* However large and deep: an answer at once, no memory, no crash. */
Test(control, requests_are_bounded)
{
    static char text[1u << 20];
    static const char *const fillers[] = {"[", "{\"a\":", "\"", "1,", "\\u0000", " "};
    char error[CONTROL_ERROR_MAX];
    struct control_request request;

    for (size_t i = 0; i < HF_COUNT(fillers); i++) {
        size_t step = strlen(fillers[i]);
        text[0] = '[';
        for (size_t at = 1; at + step < sizeof(text); at += step) {
            memcpy(text + at, fillers[i], step);
        }
        const size_t lens[] = {1, 100, CONTROL_REQUEST_MAX - 1, CONTROL_REQUEST_MAX, sizeof(text) - 1};
        for (size_t k = 0; k < HF_COUNT(lens); k++) {
            cr_assert(!control_request_parse(span_of(text, lens[k]), &request, error));
            cr_assert_eq(strcmp(error, "the request is too long") == 0, lens[k] >= CONTROL_REQUEST_MAX);
        }
    }
}

Test(control, requests_there_and_back)
{
    struct control_request request;
    char error[CONTROL_ERROR_MAX];
    size_t len = control_request_format(line, sizeof(line), CONTROL_SHOW, "a\"b@example.net", NULL);

    cr_assert_str_eq(line, "{\"command\":\"show\",\"select\":\"a\\\"b@example.net\"}");
    cr_assert(control_request_parse(span_of(line, len), &request, error), "%s", error);
    cr_assert_str_eq(request.selector.pattern, "a\"b@example.net");
    len = control_request_format(line, sizeof(line), CONTROL_CHECK, NULL, "/etc/a.yaml");
    cr_assert(control_request_parse(span_of(line, len), &request, error), "%s", error);
    cr_assert_str_eq(request.config, "/etc/a.yaml");
    cr_assert_eq(control_request_format(line, 10, CONTROL_STATUS, NULL, NULL), 0);
}

static struct session_view view_of(const struct identity *id)
{
    static const struct ts_range local = {.port_last = 65535},
                                 remote[] = {{.protocol = 17, .port_first = 53, .port_last = 53},
                                             {.port_last = 65535}};
    static struct ts_range ranges[3];
    struct session_view view = {
        .session_id = 0xc0ffee,
        .spi_i = 1,
        .spi_r = 2,
        .shard = 5,
        .established = true,
        .behind_nat = true,
        .quirks = UINT32_C(1) << QUIRK_NO_PFS,
        .remote_id = id,
        .local_id = id,
        .connection = "staff",
        .suite = {ENCR_AES_CBC, 256, INTEG_HMAC_SHA2_256_128, PRF_HMAC_SHA2_256, KE_MODP_2048},
        .age = 1500 * NS_PER_MS,
        .login_left = 60 * NS_PER_S,
        .num_addresses = 1,
        .num_children = 1};

    ranges[0] = local;
    cr_assert(ip_parse("10.0.0.0", &ranges[0].first) && ip_parse("10.255.255.255", &ranges[0].last));
    ranges[1] = remote[0];
    cr_assert(ip_parse("10.9.0.17", &ranges[1].first) && ip_parse("10.9.0.17", &ranges[1].last));
    ranges[2] = remote[1];
    cr_assert(ip_parse("10.9.0.1", &ranges[2].first) && ip_parse("10.9.0.6", &ranges[2].last));
    cr_assert(ip_parse("10.9.0.17", &view.addresses[0]) && ip_parse("192.0.2.7", &view.remote.addr));
    view.remote.port = 4500;
    view.local = view.remote;
    view.children[0] =
        (struct child_view){.spi_in = 0x40000001,
                            .spi_out = 7,
                            .ts_local = &ranges[0],
                            .num_ts_local = 1,
                            .ts_remote = &ranges[1],
                            .num_ts_remote = 2,
                            .soft = {1000, 0},
                            .hard = {2000, 30},
                            .suite = {ENCR_CHACHA20_POLY1305, 256, INTEG_NONE, KE_X25519, true}};
    return view;
}

Test(control, sessions)
{
    static const struct plane_counters counters[] = {
        {.bytes_in = 10, .bytes_out = 20, .packets_in = 1, .packets_out = 2}};
    struct identity id;

    cr_assert(identity_parse("alice@example.net", &id));
    struct session_view view = view_of(&id);
    cr_assert_gt(control_session_format(line, sizeof(line), &view, 3, counters), 0);
    cr_assert_str_eq(
        line,
        "{\"session\":{\"session\":\"0000000000c0ffee\",\"state\":\"established\",\"identity\":\"alice@"
        "example.net\","
        "\"local_identity\":\"alice@example.net\",\"connection\":\"staff\",\"remote\":\"192.0.2.7:4500\","
        "\"local\":\"192.0.2.7:4500\",\"addresses\":[\"10.9.0.17\"],\"nat\":true,\"quirks\":[\"no_pfs\"],"
        "\"agreed\":[],\"resumed\":false,\"restored\":false,"
        "\"saved\":true,"
        "\"age_s\":1.500,\"idle_s\":0.000,\"login_ends_s\":60.000,\"spi_i\":\"0000000000000001\",\"spi_r\":"
        "\"0000000000000002\","
        "\"ike\":\"AES-CBC-256/HMAC-SHA2-256-128/HMAC-SHA2-256/MODP-2048\",\"worker\":3,\"shard\":5,"
        "\"bytes_in\":10,\"bytes_out\":20,\"children\":[{\"spi_in\":\"40000001\",\"spi_out\":\"00000007\","
        "\"esp\":\"CHACHA20-POLY1305/X25519/ESN\",\"age_s\":0.000,\"local_subnets\":[\"10.0.0.0/8\"],"
        "\"remote_subnets\":[\"10.9.0.17/32[17/53]\",\"10.9.0.1-10.9.0.6\"],\"rekey_bytes\":1000,"
        "\"rekey_packets\":null,\"limit_bytes\":2000,\"limit_packets\":30,\"bytes_in\":10,\"bytes_out\":20,"
        "\"packets_in\":1,\"packets_out\":2}]}}");
    view = (struct session_view){.session_id = 1};
    cr_assert_gt(control_session_format(line, sizeof(line), &view, 0, NULL), 0);
    cr_assert_not_null(strstr(line, "\"state\":\"half_open\",\"identity\":null"));
}

Test(control, selectors)
{
    static const struct {
        const char *select;
        bool wanted;
    } rows[] = {
        {"0000000000c0ffee", true}, {"0000000000c0ffef", false}, {"10.9.0.17", true},     {"192.0.2.7", true},
        {"10.9.0.18", false},       {"alice@example.net", true}, {"*@example.net", true}, {"*", true},
        {"bob@example.net", false}, {"*.example.net", false},
    };
    struct control_selector selector, all = {.type = SELECT_ALL};
    struct identity id;

    cr_assert(identity_parse("alice@example.net", &id));
    struct session_view view = view_of(&id);
    for (size_t i = 0; i < HF_COUNT(rows); i++) {
        cr_assert(control_selector_parse(rows[i].select, &selector), "%s", rows[i].select);
        cr_assert_eq(control_selects(&selector, &view), rows[i].wanted, "%s", rows[i].select);
    }
    view.remote_id = NULL;
    cr_assert(!control_selects(&selector, &view));
    cr_assert(control_selects(&all, &view));
}

static yyjson_val *parsed(const char *member)
{
    static yyjson_doc *doc; /* of the last line */
    yyjson_doc_free(doc);
    doc = yyjson_read(line, strlen(line), 0);
    cr_assert_not_null(doc, "%s", line);
    return yyjson_obj_get(yyjson_doc_get_root(doc), member);
}

Test(control, other_answers)
{
    static struct config_errors errors = {.file = "c.yaml"};
    struct config_finding finding = {true, 3, 5, "a.b", "is \"bad\"\x1b"};
    struct config_change change = {true, "workers: 1 -> 2"};
    struct core_counters workers = {.sessions = 2, .handshakes_ok = 3};
    struct snapshot_identity identity = {"vpn.example.net", true, NOW_UNIX_S};
    struct snapshot snapshot = {.version = "1",
                                .state = NODE_DRAINING,
                                .now_unix_ns = NOW_UNIX_S * 1000000000,
                                .workers = &workers,
                                .num_workers = 1,
                                .identities = &identity,
                                .num_identities = 1};

    workers.handshakes[CAUSE_PSK_WRONG] = 4;
    cr_assert_gt(control_finding_format(line, sizeof(line), &errors, &finding), 0);
    cr_assert_str_eq(yyjson_get_str(yyjson_obj_get(parsed("finding"), "severity")), "warning");
    cr_assert_eq(yyjson_get_uint(yyjson_obj_get(parsed("finding"), "line")), 3);
    cr_assert_gt(control_change_format(line, sizeof(line), &change), 0);
    cr_assert(yyjson_get_bool(yyjson_obj_get(parsed("change"), "restart")));
    cr_assert_gt(control_status_format(line, sizeof(line), &snapshot), 0);
    cr_assert_str_eq(yyjson_get_str(yyjson_obj_get(parsed("status"), "state")), "draining");
    cr_assert_eq(yyjson_get_uint(yyjson_obj_get(parsed("status"), "handshakes_failed")), 4);
    yyjson_val *first = yyjson_arr_get_first(yyjson_obj_get(parsed("status"), "identities"));
    cr_assert_str_eq(yyjson_get_str(yyjson_obj_get(first, "certificate_ends")), "2026-11-23T21:00:00.000Z");
    cr_assert_gt(control_done_format(line, sizeof(line), 7), 0);
    cr_assert_str_eq(line, "{\"ok\":true,\"count\":7}");
    cr_assert_gt(control_error_format(line, sizeof(line), "no_session", "nobody"), 0);
    cr_assert_str_eq(line, "{\"ok\":false,\"error\":\"no_session\",\"message\":\"nobody\"}");
    cr_assert_gt(control_text_format(line, sizeof(line), "a\nb"), 0);
    cr_assert_str_eq(line, "{\"text\":\"a\\nb\"}");
    cr_assert_eq(control_status_format(line, 100, &snapshot), 0);
}
