#include "edge/wire/ids.h"

#include <criterion/criterion.h>

Test(names, known_numbers_have_the_names_of_the_registry)
{
    cr_expect_str_eq(ike_exchange_name(IKE_SA_INIT), "IKE_SA_INIT");
    cr_expect_str_eq(ike_exchange_name(INFORMATIONAL), "INFORMATIONAL");
    cr_expect_null(ike_exchange_name(33));
    cr_expect_str_eq(ike_notify_name(NOTIFY_NO_PROPOSAL_CHOSEN), "NO_PROPOSAL_CHOSEN");
    cr_expect_str_eq(ike_notify_name(NOTIFY_COOKIE), "COOKIE");
    cr_expect_null(ike_notify_name(0));
    cr_expect_null(ike_notify_name(40960));
    cr_expect_str_eq(ike_transform_name(TRANSFORM_ENCR, ENCR_AES_GCM_16), "AES-GCM-16");
    cr_expect_str_eq(ike_transform_name(TRANSFORM_PRF, PRF_HMAC_SHA2_256), "HMAC-SHA2-256");
    cr_expect_str_eq(ike_transform_name(TRANSFORM_KE, KE_X25519), "X25519");
    cr_expect_str_eq(ike_transform_name(TRANSFORM_KE, 2), "MODP-1024",
                     "what Windows offers and Holdfast refuses");
    cr_expect_str_eq(ike_transform_name(TRANSFORM_ADDKE1, 36), "ML-KEM-768");
    cr_expect_null(ike_transform_name(TRANSFORM_ENCR, 9999));
    cr_expect_null(ike_transform_name(13, KE_X25519));
}
