/* What the BPF program and the daemon must agree on bit by bit: SipHash, and SPIs that say where they belong.
 * Compiled by clang for BPF and by gcc for the daemon; includes nothing but fixed-width types.
 *
 *   IKE SPI, 64 bits:  epoch 2 | tag 24 | masked 38 { shard s | index 30-s | generation 8 }
 *                      tag = SipHash-1-3(k1; epoch, the 38 bits), mask = SipHash-1-3(k2; epoch, tag)
 *   ESP SPI, 32 bits:  epoch 2 | index 30-s | shard s XOR SipHash-1-3(k3; epoch, index)
 *
 * Epochs are 1..3, so an ESP SPI is never reserved (0..255) and never looks like the non-ESP marker. */
#pragma once

#ifdef __bpf__
#include "vmlinux.h"
typedef __u8 uint8_t;
typedef __u16 uint16_t;
typedef __u32 uint32_t;
typedef __u64 uint64_t;
#else
#include <stdint.h>
#endif
