/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of the C library that this project does without; using one is a compile error. */

#ifndef BASE_BANNED_H
#define BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* malloc and its kin are refused by `make lint`: foreign headers may name them. */
#pragma GCC poison strcpy strcat strncat strtok sprintf vsprintf atoi atol atoll gmtime localtime

#endif
