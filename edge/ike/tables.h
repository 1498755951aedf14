/* The engine's tables, for whoever asks how full they are. */
#pragma once

enum ike_table {
    IKE_TABLE_SAS,          /* IKE SAs, half-open and replaced ones too */
    IKE_TABLE_CHILDREN,     /* Child SAs, those in the making too */
    IKE_TABLE_HALF_OPEN,    /* handshakes */
    IKE_TABLE_BLOCKS,       /* memory for messages that are kept, blocks of BLOB_BLOCK_BYTES */
    IKE_TABLE_REASSEMBLIES, /* messages of which fragments are missing */
    IKE_TABLE_DIGESTS,      /* first messages, to know their repetitions */
    IKE_TABLE_PEERS,        /* identities that have sessions */
    IKE_TABLE_TIMERS,
    IKE_TABLES,
};

/* "ike_sas" */
const char *ike_table_name(enum ike_table table);
