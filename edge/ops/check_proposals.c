/* Algorithms by name. */
#include "edge/ops/config_check.h"

#include "edge/crypto/suite.h"
#include "edge/ike/policy.h"

#include <stdio.h>
#include <string.h>

struct algorithm_name {
    const char *name;
    uint16_t id, bits;
    bool weak;
};

static const struct algorithm_name encryptions[] = {
    {"aes256gcm", ENCR_AES_GCM_16, 256, false}, {"aes192gcm", ENCR_AES_GCM_16, 192, false},
    {"aes128gcm", ENCR_AES_GCM_16, 128, false}, {"chacha20poly1305", ENCR_CHACHA20_POLY1305, 256, false},
    {"aes256", ENCR_AES_CBC, 256, false},       {"aes192", ENCR_AES_CBC, 192, false},
    {"aes128", ENCR_AES_CBC, 128, false},
};
static const struct algorithm_name integrities[] = {
    {"sha256", INTEG_HMAC_SHA2_256_128, 0, false},
    {"sha384", INTEG_HMAC_SHA2_384_192, 0, false},
    {"sha512", INTEG_HMAC_SHA2_512_256, 0, false},
    {"sha1", INTEG_HMAC_SHA1_96, 0, true},
};
static const struct algorithm_name prfs[] = {
    {"sha256", PRF_HMAC_SHA2_256, 0, false},
    {"sha384", PRF_HMAC_SHA2_384, 0, false},
    {"sha512", PRF_HMAC_SHA2_512, 0, false},
    {"sha1", PRF_HMAC_SHA1, 0, true},
};
static const struct algorithm_name groups[] = {
    {"x25519", KE_X25519, 0, false},      {"p256", KE_P256, 0, false},
    {"p384", KE_P384, 0, false},          {"modp3072", KE_MODP_3072, 0, false},
    {"modp4096", KE_MODP_4096, 0, false}, {"modp2048", KE_MODP_2048, 0, false},
};

/* What is allowed when nothing is said: AEADs first, CBC for clients that have nothing better, no SHA-1. */
static const char *const usual_encryptions[] = {"aes256gcm", "aes128gcm", "chacha20poly1305",
                                                "aes256",    "aes192",    "aes128"};
static const char *const usual_hashes[] = {"sha256", "sha384", "sha512"};
static const char *const usual_groups[] = {"x25519", "p256", "p384", "modp3072", "modp4096", "modp2048"};

/* One list of the file: what it may hold, what it holds, what it holds without the key. */
struct name_list {
    const struct algorithm_name *known;
    size_t num_known;
    const char *const *usual;
    uint32_t num_usual;
    char *const *said;
    uint32_t num_said;
    const char *path;
};

#define LIST(known_names, usual_names, proposal, member, where)                                              \
    (struct name_list)                                                                                       \
    {                                                                                                        \
        known_names, HF_COUNT(known_names), usual_names, HF_COUNT(usual_names), (proposal)->member,          \
            (proposal)->num_##member, where "." #member                                                      \
    }

static const struct algorithm_name *name_find(const struct name_list *list, const char *name)
{
    for (size_t i = 0; i < list->num_known; i++) {
        if (strcmp(list->known[i].name, name) == 0) {
            return &list->known[i];
        }
    }
    return NULL;
}

static void name_refuse(const struct check *check, const struct name_list *list, const char *path,
                        const char *name)
{
    char known[160] = "";
    size_t len = 0;

    for (size_t i = 0; i < list->num_known && len < sizeof(known); i++) {
        len += (size_t)snprintf(known + len, sizeof(known) - len, "%s%s", i > 0 ? ", " : "",
                                list->known[i].name);
    }
    check_fail(check, path, "unknown algorithm '%.40s'; known here: %s", name, known);
}

/* Fills ret_found with what is allowed, in order of preference; returns how many. */
static uint32_t list_read(const struct check *check, const struct name_list *list,
                          const struct algorithm_name *ret_found[CONFIG_TRANSFORMS_MAX])
{
    bool said = list->num_said > 0;
    uint32_t count = said ? list->num_said : list->num_usual, found = 0;

    for (uint32_t i = 0; i < count; i++) {
        const char *name = said ? list->said[i] : list->usual[i];
        struct check_path path = check_path_of("%s[%u]", list->path, i);
        const struct algorithm_name *known = name_find(list, name);
        if (known == NULL) {
            name_refuse(check, list, path.text, name);
            continue;
        }
        for (uint32_t k = 0; k < found; k++) {
            if (ret_found[k] == known) {
                check_fail(check, path.text, "%s is there already", name);
            }
        }
        if (known->weak) {
            check_warn(check, path.text, "%s is outdated; allow it only for clients that have nothing better",
                       name);
        }
        ret_found[found++] = known;
    }
    return found;
}

static uint32_t ids_read(const struct check *check, const struct name_list *list,
                         uint16_t ret_ids[CONFIG_TRANSFORMS_MAX])
{
    const struct algorithm_name *found[CONFIG_TRANSFORMS_MAX];
    uint32_t count = list_read(check, list, found);

    for (uint32_t i = 0; i < count; i++) {
        ret_ids[i] = found[i]->id;
    }
    return count;
}

static void encryption_read(const struct check *check, const struct name_list *list,
                            struct config_proposal *proposal, const char *integrity_path)
{
    const struct algorithm_name *found[CONFIG_TRANSFORMS_MAX];
    bool any_cbc = false;

    proposal->num_encrs = list_read(check, list, found);
    for (uint32_t i = 0; i < proposal->num_encrs; i++) {
        proposal->encrs[i] = (struct config_encryption){.encr = found[i]->id, .bits = found[i]->bits};
        any_cbc |= !encr_is_aead(found[i]->id);
    }
    if (!any_cbc && proposal->num_integrity > 0) {
        check_warn(check, integrity_path,
                   "has no effect: every cipher under encryption has its own integrity");
    }
}

/* The group of our own rekeys. */
static void rekey_group_read(const struct check *check, struct config_proposal *esp)
{
    static const struct algorithm_name others[] = {{"same", POLICY_GROUP_SAME, 0, false},
                                                   {"ike", POLICY_GROUP_IKE, 0, false},
                                                   {"none", POLICY_GROUP_NONE, 0, false}};
    const char *path = "proposals.esp.rekey_group", *name = esp->rekey_group;
    struct name_list list = {.known = groups, .num_known = HF_COUNT(groups)};

    for (size_t i = 0; name != NULL && i < HF_COUNT(others); i++) {
        if (strcmp(name, others[i].name) == 0) {
            esp->rekey_ke = others[i].id;
            if (esp->rekey_ke == POLICY_GROUP_NONE && esp->pfs == CONFIG_PFS_REQUIRED) {
                check_fail(check, path, "none contradicts pfs: required");
            }
            return;
        }
    }
    const struct algorithm_name *group = name == NULL ? NULL : name_find(&list, name);
    if (group != NULL) {
        esp->rekey_ke = group->id;
    } else if (name != NULL) {
        check_fail(check, path, "'%s' is neither same, ike, none nor a group", name);
    }
}

void check_proposals(const struct check *check)
{
    struct config_proposal *ike = &check->config->proposals.ike, *esp = &check->config->proposals.esp;
    struct name_list list = LIST(encryptions, usual_encryptions, ike, encryption, "proposals.ike");

    encryption_read(check, &list, ike, "proposals.ike.integrity");
    list = LIST(integrities, usual_hashes, ike, integrity, "proposals.ike");
    ike->num_integs = ids_read(check, &list, ike->integs);
    list = LIST(prfs, usual_hashes, ike, prf, "proposals.ike");
    ike->num_prfs = ids_read(check, &list, ike->prfs);
    list = LIST(groups, usual_groups, ike, groups, "proposals.ike");
    ike->num_kes = ids_read(check, &list, ike->kes);

    list = LIST(encryptions, usual_encryptions, esp, encryption, "proposals.esp");
    encryption_read(check, &list, esp, "proposals.esp.integrity");
    list = LIST(integrities, usual_hashes, esp, integrity, "proposals.esp");
    esp->num_integs = ids_read(check, &list, esp->integs);
    list = LIST(groups, usual_groups, esp, groups, "proposals.esp");
    esp->num_kes = ids_read(check, &list, esp->kes);
    if (esp->pfs == CONFIG_PFS_REFUSED) {
        esp->num_kes = 0;
    }
    rekey_group_read(check, esp);
}
