#include "edge/frr/answer.h"

#include <stdio.h>
#include <string.h>
#include <yyjson.h>

static yyjson_doc *document_of(const char *json)
{
    return yyjson_read(json, strlen(json), YYJSON_READ_NOFLAG);
}

static const char *text_of(yyjson_val *object, const char *key)
{
    const char *text = yyjson_get_str(yyjson_obj_get(object, key));
    return text == NULL ? "" : text;
}

static void read_session(yyjson_val *peer, struct frr_neighbour_view *view)
{
    snprintf(view->state, sizeof(view->state), "%s", text_of(peer, "state"));
    view->is_established = strcmp(view->state, "Established") == 0;
    view->up_ms = view->is_established ? yyjson_get_uint(yyjson_obj_get(peer, "peerUptimeMsec")) : 0;
    view->prefixes_sent = yyjson_get_uint(yyjson_obj_get(peer, "pfxSnt"));
    view->prefixes_received = yyjson_get_uint(yyjson_obj_get(peer, "pfxRcd"));
    if (!view->is_established) {
        memset(view->sent, 0, sizeof(view->sent));
    }
}

void answer_summary(const char *json, const struct frr_setup *setup, struct frr_view *view)
{
    yyjson_doc *doc = document_of(json);
    yyjson_val *root = yyjson_doc_get_root(doc);
    char addr[IP_TEXT_MAX];
    for (uint32_t i = 0; i < setup->num_neighbours && root != NULL; i++) {
        const struct ip_addr *a = &setup->neighbours[i].addr;
        yyjson_val *family = yyjson_obj_get(root, ip_is_v4(a) ? "ipv4Unicast" : "ipv6Unicast");
        yyjson_val *peer = yyjson_obj_get(yyjson_obj_get(family, "peers"), ip_format(a, addr));
        if (peer != NULL) {
            read_session(peer, &view->neighbours[i]);
        }
        view->knows_sessions = true;
    }
    yyjson_doc_free(doc);
}

/* How often our number stands before the usual once: the path that is sent has it once more than is shown. */
static uint32_t count_prepended(const char *path, uint32_t asn)
{
    char number[16];
    uint32_t count = 0;
    snprintf(number, sizeof(number), "%u", asn);
    size_t len = strlen(number);
    while (strncmp(path, number, len) == 0 && (path[len] == ' ' || path[len] == '\0')) {
        count++;
        path += len + (path[len] == ' ');
    }
    return count;
}

static struct frr_sent read_sent(yyjson_val *route, uint32_t asn)
{
    struct frr_sent sent = {.is_sent = route != NULL};
    yyjson_val *path = yyjson_arr_get_first(yyjson_obj_get(route, "paths"));
    const char *community = text_of(yyjson_obj_get(path, "community"), "string");
    sent.has_shutdown =
        strstr(community, "graceful-shutdown") != NULL || strstr(community, "65535:0") != NULL;
    sent.prepended = count_prepended(text_of(yyjson_obj_get(path, "aspath"), "string"), asn);
    return sent;
}

void answer_sent(const char *json, const struct frr_setup *setup, uint32_t number, struct frr_view *view)
{
    yyjson_doc *doc = document_of(json);
    yyjson_val *routes = yyjson_obj_get(yyjson_doc_get_root(doc), "advertisedRoutes");
    char prefix[PREFIX_TEXT_MAX];
    for (uint32_t i = 0; i < setup->num_prefixes && yyjson_is_obj(routes); i++) {
        yyjson_val *route = yyjson_obj_get(routes, prefix_format(&setup->prefixes[i], prefix));
        view->neighbours[number].sent[i] = read_sent(route, setup->asn);
    }
    yyjson_doc_free(doc);
}

void answer_bfd(const char *json, const struct frr_setup *setup, struct frr_view *view)
{
    yyjson_doc *doc = document_of(json);
    yyjson_val *root = yyjson_doc_get_root(doc), *peer;
    size_t at, max;
    for (uint32_t i = 0; i < setup->num_neighbours && yyjson_is_arr(root); i++) {
        view->neighbours[i].bfd[0] = '\0';
    }
    yyjson_arr_foreach(root, at, max, peer)
    {
        struct ip_addr addr;
        for (uint32_t i = 0; ip_parse(text_of(peer, "peer"), &addr) && i < setup->num_neighbours; i++) {
            if (ip_equal(&addr, &setup->neighbours[i].addr)) {
                snprintf(view->neighbours[i].bfd, sizeof(view->neighbours[i].bfd), "%s",
                         text_of(peer, "status"));
            }
        }
    }
    yyjson_doc_free(doc);
}
