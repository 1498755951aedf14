/* Why something was dropped or refused: one list that yields the enum, the metric label, the JSON name and
 * the CLI text. */
#pragma once

#include "edge/base/compiler.h"

/* X(name, "json_name", "what happened, for people") */
#define CAUSES(X)                                                                                            \
    X(NONE, "none", "no error")                                                                              \
    /* the datagram and its header */                                                                        \
    X(SHORT, "short", "datagram shorter than its header")                                                    \
    X(LENGTH, "length", "header length differs from the datagram's")                                         \
    X(VERSION, "version", "IKE major version other than 2")                                                  \
    X(IKE_SPI_ZERO, "ike_spi_zero", "initiator SPI is zero")                                                 \
    X(EXCHANGE_UNKNOWN, "exchange_unknown", "unknown exchange type")                                         \
    X(FLAGS, "flags", "flags that fit no state")                                                             \
    X(SPI_FORGED, "spi_forged", "responder SPI that was never minted here")                                  \
    X(SPI_UNKNOWN, "spi_unknown", "no IKE SA for these SPIs")                                                \
    X(SPI_MISMATCH, "spi_mismatch", "SPIs do not belong together")                                           \
    X(NOT_OURS, "not_ours", "belongs to another node")                                                       \
    /* payloads */                                                                                           \
    X(PAYLOAD_LENGTH, "payload_length", "payload length out of bounds")                                      \
    X(PAYLOAD_COUNT, "payload_count", "too many payloads")                                                   \
    X(PAYLOAD_TWICE, "payload_twice", "payload occurs twice")                                                \
    X(PAYLOAD_MISSING, "payload_missing", "required payload missing")                                        \
    X(PAYLOAD_UNEXPECTED, "payload_unexpected", "payload not allowed here")                                  \
    X(PAYLOAD_CRITICAL, "payload_critical", "unknown critical payload")                                      \
    X(SA_SYNTAX, "sa_syntax", "malformed SA payload")                                                        \
    X(SA_SPI_SIZE, "sa_spi_size", "SPI size does not fit the protocol")                                      \
    X(SA_COUNT, "sa_count", "too many proposals or transforms")                                              \
    X(KE_SYNTAX, "ke_syntax", "malformed KE payload")                                                        \
    X(NONCE_SIZE, "nonce_size", "nonce shorter than 16 or longer than 256 bytes")                            \
    X(ID_SYNTAX, "id_syntax", "malformed identification payload")                                            \
    X(CERT_SYNTAX, "cert_syntax", "malformed certificate payload")                                           \
    X(AUTH_SYNTAX, "auth_syntax", "malformed AUTH payload")                                                  \
    X(NOTIFY_SYNTAX, "notify_syntax", "malformed notify payload")                                            \
    X(DELETE_SYNTAX, "delete_syntax", "malformed delete payload")                                            \
    X(TS_SYNTAX, "ts_syntax", "malformed traffic selectors")                                                 \
    X(TS_COUNT, "ts_count", "too many traffic selectors")                                                    \
    X(CP_SYNTAX, "cp_syntax", "malformed configuration payload")                                             \
    X(EAP_SYNTAX, "eap_syntax", "malformed EAP payload")                                                     \
    X(FRAGMENT_NUMBER, "fragment_number", "fragment number out of bounds")                                   \
    X(FRAGMENT_TOTAL, "fragment_total", "fragment total changed or too many bytes")                          \
    X(FRAGMENT_NO_ROOM, "fragment_no_room", "no room to reassemble")                                         \
    /* exchange rules */                                                                                     \
    X(MESSAGE_ID, "message_id", "message id outside the window")                                             \
    X(BUSY, "busy", "the same request is being worked on")                                                   \
    X(RESPONSE_UNASKED, "response_unasked", "response that nobody waits for")                                \
    X(SYNC_WRONG, "sync_wrong", "message ids of a synchronization do not fit")                               \
    X(STATE, "state", "exchange not allowed in this state")                                                  \
    X(ICV, "icv", "integrity check failed")                                                                  \
    X(PADDING, "padding", "padding after decryption is wrong")                                               \
    X(HALF_OPEN_FULL, "half_open_full", "too many half-open IKE SAs")                                        \
    X(HALF_OPEN_NETWORK, "half_open_network", "too many half-open IKE SAs of one network")                   \
    X(WORK_NETWORK, "work_network", "too many key exchanges without a login, of one network")                \
    X(SESSIONS_FULL, "sessions_full", "session limit reached")                                               \
    X(COOKIE_WANTED, "cookie_wanted", "answered with a cookie challenge")                                    \
    X(COOKIE_WRONG, "cookie_wrong", "cookie does not verify")                                                \
    X(NAT_FORBIDDEN, "nat_forbidden", "addresses were changed on the way, which the client forbids")         \
    X(ADDRESS_REFUSED, "address_refused", "client may not move to this address")                             \
    X(STARTING, "starting", "store not read back yet")                                                       \
    X(DRAINING, "draining", "node is draining")                                                              \
    X(NO_LEASE, "no_lease", "node has no lease in its fleet, nothing new is begun")                          \
    X(NO_SHARD, "no_shard", "node owns no shard yet")                                                        \
    X(MOVING, "moving", "session is on its way to another node")                                             \
    X(RATE, "rate", "answer held back by a rate limit")                                                      \
    /* negotiation and authentication: what "why not" says */                                                \
    X(NO_PROPOSAL, "no_proposal", "no common proposal")                                                      \
    X(KE_GROUP, "ke_group", "asked for another key exchange group")                                          \
    X(KE_INVALID, "ke_invalid", "invalid key exchange value")                                                \
    X(NO_CONNECTION, "no_connection", "no connection matches these identities")                              \
    X(NO_IDENTITY, "no_identity", "no local identity of that name")                                          \
    X(AUTH_METHOD, "auth_method", "authentication method not allowed")                                       \
    X(AUTH_WRONG, "auth_wrong", "authentication data does not verify")                                       \
    X(PSK_UNKNOWN, "psk_unknown", "no pre-shared key for this identity")                                     \
    X(PSK_WRONG, "psk_wrong", "pre-shared key does not match")                                               \
    X(CERT_MISSING, "cert_missing", "no certificate sent")                                                   \
    X(CERT_PARSE, "cert_parse", "certificate cannot be parsed")                                              \
    X(CERT_KEY, "cert_key", "certificate key type or size not allowed")                                      \
    X(CERT_UNTRUSTED, "cert_untrusted", "certificate not issued by a trusted CA")                            \
    X(CERT_EXPIRED, "cert_expired", "certificate has expired")                                               \
    X(CERT_NOT_YET, "cert_not_yet", "certificate is not valid yet")                                          \
    X(CERT_REVOKED, "cert_revoked", "certificate has been revoked")                                          \
    X(CERT_USAGE, "cert_usage", "certificate not meant for this use")                                        \
    X(CERT_ID, "cert_id", "identity is not in the certificate")                                              \
    X(CRL_MISSING, "crl_missing", "no valid CRL and policy demands one")                                     \
    X(CP_MISSING, "cp_missing", "client asked for no address")                                               \
    X(ADDRESS_FULL, "address_full", "address pool exhausted")                                                \
    X(TS_NONE, "ts_none", "no common traffic selectors")                                                     \
    X(CHILD_LIMIT, "child_limit", "too many child SAs")                                                      \
    X(CHILD_UNKNOWN, "child_unknown", "no such child SA")                                                    \
    X(RESUMPTION_OFF, "resumption_off", "sessions are not resumed here")                                     \
    X(TICKET_SYNTAX, "ticket_syntax", "malformed ticket")                                                    \
    X(TICKET_FORGED, "ticket_forged", "ticket that no node gave, or that is long gone")                      \
    X(TICKET_EXPIRED, "ticket_expired", "ticket has expired")                                                \
    X(TICKET_USED, "ticket_used", "ticket was used before")                                                  \
    X(TICKET_IDENTITY, "ticket_identity", "identity is not the ticket's")                                    \
    X(HALF_OPEN_EVICTED, "half_open_evicted", "handshake gave way to a newer one")                           \
    X(STORE, "store", "session store failed")                                                                \
    X(PLANE, "plane", "data plane refused")                                                                  \
    X(RECORD, "record", "stored record cannot be used")                                                      \
    /* why a session ended */                                                                                \
    X(PEER_DELETE, "peer_delete", "client ended the session")                                                \
    X(PEER_REFUSED, "peer_refused", "client did not accept our authentication")                              \
    X(PEER_DEAD, "peer_dead", "client stopped answering")                                                    \
    X(REPLACED, "replaced", "replaced by a new session (INITIAL_CONTACT)")                                   \
    X(RESUMED, "resumed", "replaced by a resumed session")                                                   \
    X(REKEYED, "rekeyed", "replaced by a rekeyed SA")                                                        \
    X(OPERATOR, "operator", "disconnected by the operator")                                                  \
    X(LIFETIME, "lifetime", "lifetime over")                                                                 \
    X(CHILDLESS, "childless", "too long without a child SA")                                                 \
    X(AUTH_LIFETIME, "auth_lifetime", "client did not authenticate again in time")                           \
    X(TIMEOUT, "timeout", "handshake not completed in time")                                                 \
    /* ESP and the user plane */                                                                             \
    X(ESP_SHORT, "esp_short", "ESP packet too short")                                                        \
    X(ESP_SPI, "esp_spi", "no child SA for this ESP SPI")                                                    \
    X(ESP_REPLAY, "esp_replay", "ESP sequence number seen before or too old")                                \
    X(ESP_ICV, "esp_icv", "ESP integrity check failed")                                                      \
    X(ESP_PADDING, "esp_padding", "ESP padding wrong")                                                       \
    X(ESP_SELECTOR, "esp_selector", "inner packet outside the traffic selectors")                            \
    X(ESP_INNER, "esp_inner", "inner packet malformed")                                                      \
    X(ESP_SEQUENCE, "esp_sequence", "ESP sequence numbers used up")                                          \
    X(ESP_VOLUME, "esp_volume", "more bytes or packets than one ESP key may protect")                        \
    X(ESP_TAKEOVER, "esp_takeover", "ESP under the keys of before a takeover")                               \
    X(TUN_NO_SA, "tun_no_sa", "no child SA for this inner destination")                                      \
    X(TUN_MALFORMED, "tun_malformed", "packet from the tunnel device malformed")                             \
    X(TOO_BIG, "too_big", "packet exceeds the tunnel MTU")                                                   \
    X(KEEPALIVE, "keepalive", "NAT keepalive")                                                               \
    X(SEND_FAILED, "send_failed", "socket refused to send")                                                  \
    X(OVERLOAD, "overload", "more first messages than there is time for")                                    \
    X(MAILBOX_FULL, "mailbox_full", "worker's mailbox full")                                                 \
    X(NODE_FORGED, "node_forged", "from no node of the fleet, or malformed")                                 \
    X(HELD_FULL, "held_full", "no room to wait until its shard has come")                                    \
    X(HELD_LATE, "held_late", "its shard did not come in time")                                              \
    X(TRUNCATED, "truncated", "datagram larger than the receive buffer")

enum cause {
#define CAUSE_ENUM(name, json, text) CAUSE_##name,
    CAUSES(CAUSE_ENUM)
#undef CAUSE_ENUM
        CAUSE_COUNT
};

/* Static strings; the value must be one of the list (asserted). */
const char *cause_json(enum cause cause); /* "psk_wrong" */
const char *cause_text(enum cause cause); /* "pre-shared key does not match" */
