#include "edge/ike/quirk.h"

#include "edge/ike/internal.h"

#define MODP_1024 2 /* broken by who can afford it (RFC 8247 2.4): never ours */

static const struct quirk_row rows[] = {
#define QUIRK_ROW(name, json, whose, known_by, done, where) {json, whose, known_by, done, where},
    QUIRKS(QUIRK_ROW)
#undef QUIRK_ROW
};

const struct quirk_row *quirk_row(enum quirk quirk)
{
    hf_assert((size_t)quirk < HF_COUNT(rows));
    return &rows[quirk];
}

static void announce(struct ike *ike, const struct ike_sa *sa, enum quirk quirk)
{
    ike->counters.quirks[quirk]++;
    ike->config.host.news(ike->config.host.context, NEWS_QUIRK, sa, NULL, CAUSE_NONE, rows[quirk].name);
}

void quirk_met(struct ike *ike, struct ike_sa *sa, enum quirk quirk)
{
    uint32_t bit = UINT32_C(1) << quirk;
    bool known = (sa->quirks & bit) != 0;
    sa->quirks |= bit;
    if (!known && sa->state != SA_HALF_OPEN) {
        announce(ike, sa, quirk);
    }
}

void quirks_announce(struct ike *ike, const struct ike_sa *sa)
{
    for (int quirk = 0; quirk < QUIRK_COUNT; quirk++) {
        if ((sa->quirks & UINT32_C(1) << quirk) != 0) {
            announce(ike, sa, (enum quirk)quirk);
        }
    }
}

void quirks_of_create(struct ike *ike, struct ike_sa *sa, const struct message *message,
                      const struct sa_view *offer)
{
    bool rekeys_child = message_notify(message, NOTIFY_REKEY_SA) != NULL;
    if (offer->count > 0 && offer->proposals[0].number != 1) {
        quirk_met(ike, sa, QUIRK_PROPOSAL_NUMBER);
    }
    if (message->cp.type != 0) {
        quirk_met(ike, sa, QUIRK_CP_IN_REKEY);
    }
    if (rekeys_child && (message->present & PAYLOAD_BIT(PAYLOAD_KE)) == 0 && ike->policy->esp.num_ke > 0) {
        quirk_met(ike, sa, QUIRK_NO_PFS);
    }
}

/* MD5("MS NT5 ISAKMPOAKLEY"); four bytes of a version follow. */
static bool is_windows(const struct payloads *payloads)
{
    static const uint8_t id[] = {0x1e, 0x2b, 0x51, 0x69, 0x05, 0x99, 0x1c, 0x7d,
                                 0x7c, 0x96, 0xfc, 0xbf, 0xb5, 0x87, 0xe4, 0x61};
    for (uint32_t i = 0; i < payloads->count; i++) {
        const struct payload *payload = &payloads->v[i];
        if (payload->type == PAYLOAD_VENDOR && payload->body.len >= sizeof(id) &&
            memcmp(payload->body.data, id, sizeof(id)) == 0) {
            return true;
        }
    }
    return false;
}

static bool offers_only_group(const struct sa_view *offer, uint16_t group)
{
    bool only = offer->num_transforms > 0;
    for (uint32_t i = 0; i < offer->num_transforms; i++) {
        const struct transform *t = &offer->transforms[i];
        only = only && (t->type != TRANSFORM_KE || t->id == group);
    }
    return only;
}

const char *quirk_refusal(struct ike *ike, const struct payloads *payloads, const struct sa_view *offer)
{
    if (!is_windows(payloads) || !offers_only_group(offer, MODP_1024)) {
        return NULL;
    }
    ike->counters.quirks[QUIRK_WEAK_GROUP]++;
    return "Windows offers MODP-1024 only; in its PowerShell: Set-VpnConnectionIPsecConfiguration "
           "-EncryptionMethod AES256 -IntegrityCheckMethod SHA256 -DHGroup Group14 -CipherTransformConstants "
           "AES256 -AuthenticationTransformConstants SHA256128 -PfsGroup None -ConnectionName NAME";
}
