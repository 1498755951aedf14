/* The SPI keys that follow from the fleet key: the same on every node, in the steering program and in the
 * CLI. */
#include "edge/core/core.h"

uint32_t core_spi_epoch(uint32_t number)
{
    return (number - 1) % 3 + 1;
}

void core_spi_config(const uint8_t fleet_key[FLEET_KEY_BYTES], uint8_t shard_bits, uint32_t number,
                     struct hf_spi_config *ret_spi)
{
    hf_assert(number >= 1 && number < UINT32_MAX);
    *ret_spi =
        (struct hf_spi_config){.shard_bits = shard_bits, .mint_epoch = (uint8_t)core_spi_epoch(number)};
    for (uint32_t n = number - 1; n <= number + 1; n++) {
        if (n > 0) {
            struct hf_spi_keys *keys = &ret_spi->epochs[core_spi_epoch(n)];
            fleet_derive(fleet_key, "spi", n, (uint8_t *)keys, sizeof(*keys));
        }
    }
}
