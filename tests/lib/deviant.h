/* A client that breaks the rules, one at a time: the table of its deviations and what walks it. It stands on
 * the initiator, and its host gives it datagrams and time; the simulator and tools/ikeload are two such
 * hosts. A row says what is sent, and what the responder must do about it: answer, count, go on or not. */
#pragma once

#include "tests/lib/initiator.h"

enum {
    DEVIANT_EDITS_MAX = 2,
    DEVIANT_CHAIN_BYTES = 60000, /* of payloads */
    DEVIANT_PARTS_MAX = 512,     /* payloads */
};

/* What a deviation starts from: a good message in this state. */
enum deviant_base {
    BASE_INIT,        /* IKE_SA_INIT of somebody unknown: SA, KE, Ni, notifies */
    BASE_AUTH,        /* IKE_AUTH of a PSK client: IDi, [IDr,] AUTH, CP, SA, TSi, TSr */
    BASE_CHILD,       /* CREATE_CHILD_SA in a session: SA, Ni, TSi, TSr */
    BASE_REKEY_CHILD, /* the same with N(REKEY_SA) in front */
    BASE_REKEY_IKE,   /* SA, Ni, KEi */
    BASE_INFO,        /* INFORMATIONAL in a session, empty */
};

enum edit_op {
    EDIT_NONE,
    EDIT_BODY,   /* the payload's body is `bytes` */
    EDIT_FILL,   /* it keeps `at` bytes, then follow `times` of `value` */
    EDIT_PATCH,  /* `bytes` are written at `at`; an end cut off is not grown */
    EDIT_CUT,    /* it ends at `at` */
    EDIT_MAKE,   /* it is what `make` writes */
    EDIT_ADD,    /* `times` such payloads with `bytes` behind the others */
    EDIT_FRONT,  /* the same in front of them */
    EDIT_DROP,   /* the payload is left out */
    EDIT_FLAGS,  /* its flags are `value`: 0x80 is the critical bit */
    EDIT_LENGTH, /* its length field says `times` */
    EDIT_RAW,    /* the whole chain is `bytes`, and the first payload is said to be `type` */
    EDIT_TAIL,   /* `bytes` behind the last payload, in no payload */
    EDIT_HEADER, /* of a first message: `bytes` at `at` of the datagram */
    EDIT_SHORT,  /* of a first message: the datagram ends at `at` */
};

/* Of the first payload of a type. */
struct edit {
    enum edit_op op;
    uint8_t type, value;
    uint16_t at, times;
    struct span bytes;
    size_t (*make)(uint8_t *room);
};

enum {
    ANSWER_SILENCE = 0, /* else: the error or status notify that the answer carries */
    ANSWER_GRANTED = 0xffff,
    ANSWER_REPEATED = 0xfffe, /* an answer that was given before */
};

struct deviant;

struct deviation {
    const char *name;
    uint8_t class;   /* of bad input */
    const char *rfc; /* where the rule stands */
    enum deviant_base base;
    struct edit edits[DEVIANT_EDITS_MAX];
    uint16_t group; /* of the key exchange in IKE_SA_INIT; 0: X25519 */
    bool no_fragmentation;
    struct {
        uint8_t exchange;                 /* 0: the base's */
        uint8_t flags;                    /* XORed */
        int64_t id;                       /* added */
    } header;                             /* of sealed messages */
    void (*act)(struct deviant *deviant); /* instead of one edited message */
    uint16_t answer;                      /* to the last datagram that is sent */
    enum cause drop;                      /* counted as a drop; CAUSE_NONE: none must be */
    enum cause door;                      /* instead of `drop`, where a socket stands in front */
    enum cause refusal;                   /* counted as a failed handshake; CAUSE_NONE: not looked at */
    bool ends;                            /* the handshake or session is over after it */
};

/* Number of rows, and one of them. */
uint32_t deviations_count(void);
const struct deviation *deviation_at(uint32_t index);

struct deviant_host {
    void *context;
    ns_t (*now)(void *context);
    /* Lets the world go on until a datagram came to the client, or for `at_most`. */
    void (*wait)(void *context, ns_t at_most);
    ns_t patience; /* for an answer */
    ns_t silence;  /* how long none may come before there is none */
};

struct deviant_result {
    bool staged;     /* the state that the deviation needs was reached */
    uint16_t answer; /* as above */
    bool ended;
    bool clean;                     /* what was left of the session could be deleted */
    size_t sent_bytes, heard_bytes; /* of the deviation and of what came back for it */
};

struct deviant_part {
    uint8_t type, flags;
    bool lies;
    uint16_t length; /* what the length field says when it lies */
    struct span body;
};

struct deviant {
    struct initiator *client;
    struct deviant_host host;
    uint32_t foreign_spi; /* ESP SPI of somebody else's child, as its owner names it */
    const struct deviation *row;
    void (*send)(void *context, const struct endpoint *local, const struct endpoint *remote, bool natt,
                 struct span bytes);
    void *send_context;
    bool muted;     /* what the client sends by itself goes nowhere */
    bool listening; /* for the answer to a deviation */
    uint16_t answer;
    uint64_t exchanges_before;
    uint32_t heard;
    size_t sent_bytes, heard_bytes;
    struct deviant_part parts[DEVIANT_PARTS_MAX];
    uint32_t num_parts;
    uint8_t memory[DEVIANT_CHAIN_BYTES]; /* bodies that edits made */
    size_t used;
    uint8_t chain[DEVIANT_CHAIN_BYTES]; /* with room for an IKE header in front */
    struct initiator_sent sent;
};

/* Takes over the client's send and hear callbacks; the client must outlive the deviant. */
void deviant_init(struct deviant *deviant, struct initiator *client, const struct deviant_host *host);
/* Brings the client into the state that the row needs, deviates, and looks at what comes of it. True when all
 * of it is as the row says. */
HF_MUST bool deviant_walk(struct deviant *deviant, const struct deviation *row,
                          struct deviant_result *ret_result);
/* "silence", "granted", "INVALID_SYNTAX". */
const char *deviant_answer_text(uint16_t answer);
