/* SPDX-License-Identifier: Apache-2.0 */
/* Marks what libtarn exports. */

#ifndef TARN_API_H
#define TARN_API_H

#if defined(__GNUC__)
#define TARN_API __attribute__((visibility("default")))
#else
#define TARN_API
#endif

#endif
