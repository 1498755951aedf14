/* A folder of files for one test, and configs that need few words. */
#pragma once

#include "edge/ops/config.h"
#include "edge/ops/policy_build.h"

/* A folder of its own; every file made in it, and the folder, are gone when the test's process ends. */
struct folder {
    char path[64];
};
struct folder folder_new(void);
/* Path of a file in it; valid until the next eight calls. */
const char *folder_path(const struct folder *folder, const char *name);
const char *folder_write(const struct folder *folder, const char *name, const char *text, unsigned mode);

/* A config of everything, `folder` being of no importance: nothing is looked at. */
extern const char full_config[];
/* `text` with the first `from` replaced; must be there. Valid until the next call. */
const char *text_replace(const char *text, const char *from, const char *to);
/* A copy that lasts until the end of the test. */
const char *text_keep(const char *text);
/* Parses or fails the test with the findings. */
struct config *config_of(const char *text);
/* All findings, one per line; valid until the next call. */
const char *findings_of(const struct config_errors *errors);
struct config_errors *errors_new(void); /* of the test's process */

#define NOW_UNIX_S INT64_C(1795467600) /* 2026-11-23T21:00:00Z */

/* Key and certificate files made by our own CA code; names are SANs, NULL-terminated. */
struct issued {
    char cert[4096], key[4096];
};
void issue_ca(struct issued *ret, const char *subject);
void issue(struct issued *ret, const struct issued *ca, const char *name, int64_t not_after_unix_s);
void issue_crl(const struct issued *ca, char *ret_pem, size_t cap);
