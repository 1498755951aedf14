/* What clients in the field do that the RFCs do not have or leave open, and what we do about it: one table
 * that yields the log's words, the metric's label and what `holdfast show` says.
 *
 * A quirk is known by what a client does, hardly ever by who it says it is: such names are spoofed, missing,
 * and wrong after the next update. So all but one are met halfway for everybody; the table says whose they
 * are, and where in the code they are met. docs/CLIENTS.md has what no message shows. */
#pragma once

#include <stdint.h>

/* X(name, "json_name", "whose", "known by", "what we do", "where") */
#define QUIRKS(X)                                                                                            \
    X(FIRST_ON_4500, "first_on_4500", "Android 12 and later", "IKE_SA_INIT behind the non-ESP marker",       \
      "answered there, NAT or not", "exch_init.c")                                                           \
    X(NO_CERTREQ, "no_certreq", "iOS, macOS", "IKE_AUTH without CERTREQ to a connection by certificate",     \
      "our certificate and those between it and the CA are sent all the same", "exch_auth.c")                \
    X(PROPOSAL_NUMBER, "proposal_number", "macOS 14",                                                        \
      "the first proposal of a rekey has the number of the one that was chosen at first, not 1",             \
      "any first number is taken, and echoed", "wire/sa.c, propose.c")                                       \
    X(NO_PFS, "no_pfs", "iOS, macOS, Windows, Android",                                                      \
      "a Child SA is rekeyed without KE though groups are allowed", "forward secrecy is up to the client",   \
      "propose.c")                                                                                           \
    X(CP_IN_REKEY, "cp_in_rekey", "RouterOS", "a configuration payload in CREATE_CHILD_SA",                  \
      "ignored: addresses are those of IKE_AUTH", "receive.c")                                               \
    X(REKEY_REFUSED, "rekey_refused", "Windows behind a NAT",                                                \
      "our rekey of a Child SA is refused by an error that no RFC has for it (12345)",                       \
      "this child is left to the client until its hard end", "rekey_child.c")                                \
    X(WEAK_GROUP, "weak_group", "Windows", "its vendor id, and no key exchange group but MODP-1024",         \
      "refused; the log has the line that ends it", "exch_init.c")

enum quirk {
#define QUIRK_ENUM(name, json, whose, known_by, done, where) QUIRK_##name,
    QUIRKS(QUIRK_ENUM)
#undef QUIRK_ENUM
        QUIRK_COUNT
};

struct quirk_row {
    const char *name, *whose, *known_by, *done, *where;
};
/* Static. */
const struct quirk_row *quirk_row(enum quirk quirk);
