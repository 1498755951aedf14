/* What the command line asks for. */
#pragma once

#include "tools/ikeload/chore.h"

#include "edge/base/addr.h"
#include "edge/crypto/cert.h"
#include "edge/crypto/suite.h"

enum {
    IKELOAD_OK = 0,
    IKELOAD_FAILED = 1, /* some sessions did not come up, or were lost */
    IKELOAD_USAGE = 2,
    IKELOAD_NO_ANSWER = 3, /* the gateway never said anything */
    IKELOAD_STOPPED = 130, /* by Ctrl-C */
};

struct options {
    struct ip_addr gateway;
    uint32_t sessions, window;
    double rate; /* sessions per second; 0: as fast as the window allows */
    const char *identity;
    struct identity gateway_id;               /* type 0: none is asked for */
    const char *psk, *certificate, *key, *ca; /* paths */
    struct ike_suite ike;
    struct esp_suite esp;
    struct ip_addr source; /* the first; zero: as the kernel chooses */
    uint64_t num_sources;
    uint32_t num_ports;
    bool no_verify, nat, no_fragmentation, no_v4, v6, initial_contact;
    ns_t retransmit;
    uint32_t tries;
    ns_t hold;          /* may be NS_NEVER */
    ns_t every[CHORES]; /* 0: not at all */
    ns_t away, report;
    struct ip_addr echo_to;
    uint32_t mobike_percent;
    const char *deviate;                    /* NULL, "all", or the name of a deviation */
    bool list_deviations, step;
    uint64_t hostile, seed; /* hostile datagrams to send; what they follow from */
    const char *corpus;     /* folder of messages to damage; NULL: none */
    bool delete, json, quiet;
};

/* False: the program ends with *ret_code; help or what is wrong has been printed. */
HF_MUST bool options_parse(int argc, char **argv, struct options *ret_options, int *ret_code);
