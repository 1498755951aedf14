/* The SPI keys that follow from the fleet key: the same on every node, in the steering program and in the
 * CLI. */
#include "edge/core/core.h"

void core_spi_config(const uint8_t fleet_key[FLEET_KEY_BYTES], uint8_t shard_bits,
                     struct hf_spi_config *ret_spi)
{
    *ret_spi = (struct hf_spi_config){.shard_bits = shard_bits, .mint_epoch = SPI_EPOCH_FIRST};
    fleet_derive(fleet_key, "spi", SPI_EPOCH_FIRST, (uint8_t *)&ret_spi->epochs[SPI_EPOCH_FIRST],
                 sizeof(ret_spi->epochs[SPI_EPOCH_FIRST]));
}
