/* Shared by the files of the initiator alone. */
#pragma once

#include "tests/lib/initiator.h"

/* initiator_sk.c: sealing, opening, fragments */
/* Seals a message into *ret_sent, in fragments where agreed and needed. */
void client_seal(struct initiator *client, struct initiator_sa *sa, uint8_t exchange, uint8_t flags,
                 uint32_t id, uint8_t first, struct span inner, struct initiator_sent *ret_sent);
/* One datagram more in *sent: fragment `number` of `total`; number 0: a whole message. */
void client_seal_part(struct initiator_sa *sa, uint8_t exchange, uint8_t flags, uint32_t id, uint8_t first,
                      struct span plain, uint16_t number, uint16_t total, struct initiator_sent *sent);
void client_send(struct initiator *client, const struct initiator_sent *sent);
/* True when `ret_first` and `ret_inner` (in client->plain) hold a whole message's payloads. */
HF_MUST bool client_open(struct initiator *client, struct initiator_sa *sa, const struct ike_header *header,
                         struct span datagram, uint8_t *ret_first, struct span *ret_inner);

/* initiator.c: requests */
/* Forgets what was, and takes a fresh IKE SA. */
void client_begin(struct initiator *client, ns_t now);
/* A free place for an IKE SA, zeroed, with keys to come; NULL when there is none. */
struct initiator_sa *client_sa_take(struct initiator *client);
/* Flags of a message of ours in this IKE SA. */
uint8_t client_flags(const struct initiator_sa *sa, bool response);
struct initiator_sa *client_current(struct initiator *client);
/* Sends `b` as the SA's next request. */
void client_request(struct initiator *client, struct initiator_sa *sa, uint8_t exchange,
                    enum initiator_task task, struct builder *b);
void client_chain(struct initiator *client, struct builder *b);
void client_fail(struct initiator *client, enum initiator_why why, uint16_t notify);
void client_close(struct initiator *client, enum initiator_why why);
/* The first error notify of a message; 0 when there is none. */
uint16_t client_error_in(const struct message *message);
void client_nonce(struct initiator *client);
void client_ke(struct initiator *client, uint16_t group);
void client_build_ke(struct initiator *client, struct builder *b);

/* initiator_init.c */
void client_init_send(struct initiator *client);
void client_init_receive(struct initiator *client, const struct ike_header *header, struct span bytes);

/* The first message is in client->init_request: it is sent. */
void client_first_sent(struct initiator *client, struct span request, uint8_t exchange);
/* Its answer was good, and there are keys: IKE_AUTH follows. */
void client_first_done(struct initiator *client, struct span response);
void client_init_detour(struct initiator *client);
void client_build_nat(struct initiator *client, struct builder *b);

/* initiator_crash.c */
void client_read_token(struct initiator *client, struct initiator_sa *sa);
/* True: an unprotected answer to a request under an IKE SA. */
bool client_take_token(struct initiator *client, const struct initiator_sa *sa,
                       const struct ike_header *header, struct span bytes);
void client_offer_sync(struct initiator *client, struct builder *b);
void client_read_sync(struct initiator *client);
void client_count_jump(struct initiator *client);
/* True: it was a synchronization, which has been answered or not. */
bool client_serve_sync(struct initiator *client, struct initiator_sa *sa, const struct ike_header *header);
bool client_read_redirect(struct initiator *client, bool first);

/* initiator_resume.c */
void client_ask_ticket(struct initiator *client, struct builder *b);
void client_read_ticket(struct initiator *client, const struct initiator_sa *sa);
void client_resume_send(struct initiator *client);
void client_resume_receive(struct initiator *client, const struct ike_header *header, struct span bytes);
void client_resume_auth(const struct initiator *client, const struct initiator_sa *sa, const uint8_t *sk_p,
                        const struct span *parts, size_t num_parts, uint8_t ret_auth[PRF_BYTES_MAX]);

/* initiator_mobike.c */
void client_build_mobike(struct initiator *client, struct builder *b); /* for IKE_AUTH */
void client_read_mobike(struct initiator *client);
void client_update_if_due(struct initiator *client);
void client_update_answered(struct initiator *client);
void client_copy_cookie2(struct initiator *client, struct builder *b);

/* initiator_auth.c */
/* The payloads of IKE_AUTH, for a child with a new SPI. */
void client_build_auth(struct initiator *client, struct builder *b);
void client_auth_send(struct initiator *client);
void client_auth_answered(struct initiator *client);

/* initiator_offer.c: SA and TS payloads */
void client_build_ike_sa(struct initiator *client, struct builder *b, struct span spi);
void client_build_esp_sa(struct initiator *client, struct builder *b, bool with_groups);
void client_build_ts(struct initiator *client, struct builder *b);
HF_MUST bool client_read_ike_suite(struct initiator *client, struct ike_suite *ret_suite, uint64_t *ret_spi);
HF_MUST bool client_read_esp_suite(struct initiator *client, struct esp_suite *ret_suite, uint32_t *ret_spi);
/* Reads TSi and TSr of the answer into the child. */
HF_MUST bool client_read_ts(struct initiator *client, struct initiator_child *child);

/* initiator_child.c */
/* A free place, zeroed; NULL when there is none. */
struct initiator_child *client_child_take(struct initiator *client);
/* Takes over the child that an answer describes. False when the answer makes no sense. */
HF_MUST bool client_child_accept(struct initiator *client, struct span nonce_r,
                                 const struct ke_value *shared);
void client_child_answered(struct initiator *client, struct initiator_sa *sa, enum initiator_task task);
void client_rekey_answered(struct initiator *client, struct initiator_sa *sa);

/* initiator_serve.c */
/* Writes the answer to the gateway's CREATE_CHILD_SA. */
void client_serve_create(struct initiator *client, struct initiator_sa *sa, struct builder *b);
/* The gateway replaced the same thing as the request in flight would, in an exchange with these nonces. */
void client_rival_note(struct initiator *client, struct span nonce_a, struct span nonce_b);
/* Whether what our own exchange made is the one too many; the rival is forgotten. */
bool client_lost_to_rival(struct initiator *client, struct span nonce_r);

/* initiator_serve_ike.c */
void client_serve_rekey_ike(struct initiator *client, struct initiator_sa *sa, struct builder *b);
/* The session is the rival's, if there is one. */
void client_yield(struct initiator *client);

/* initiator_info.c */
void client_delete_ike(struct initiator *client, struct initiator_sa *sa);
void client_delete_child(struct initiator *client, uint32_t spi_in);
void client_child_deleted(struct initiator *client);
/* Answers a request of the gateway. */
void client_answer(struct initiator *client, struct initiator_sa *sa, const struct ike_header *header);
