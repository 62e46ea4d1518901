/* SPDX-License-Identifier: Apache-2.0 */
/* Cyclic redundancy checks with the processor's help where it has some, plain tables elsewhere. */

#ifndef BASE_CRC_H
#define BASE_CRC_H

#include <stddef.h>
#include <stdint.h>

/* Each continues from `crc`, the value of the bytes before (0 at the start). Any thread. */
uint32_t tn_crc32(uint32_t crc, const void *bytes, size_t len);    /* ISO-HDLC, zlib's */
uint32_t tn_crc32c(uint32_t crc, const void *bytes, size_t len);   /* Castagnoli */
uint64_t tn_crc64nvme(uint64_t crc, const void *bytes, size_t len); /* S3's CRC64NVME */

/* The value of A then B from the values of both and the length of B. */
uint32_t tn_crc32_combine(uint32_t a, uint32_t b, uint64_t len_b);
uint32_t tn_crc32c_combine(uint32_t a, uint32_t b, uint64_t len_b);
uint64_t tn_crc64nvme_combine(uint64_t a, uint64_t b, uint64_t len_b);

#endif
