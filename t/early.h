/* t/early.h - between t/early.c and the library beside it, t/early-lib.c.
 * SPDX-License-Identifier: MIT
 */
#ifndef JSM_TEST_EARLY_H
#define JSM_TEST_EARLY_H

#include <stddef.h>

enum { EARLY_PREINIT, EARLY_CONSTRUCTOR_101, EARLY_CONSTRUCTOR_30000, EARLY_CONSTRUCTOR, EARLY_PLACES };
enum { LATE_ATEXIT, LATE_DESTRUCTOR, LATE_DESTRUCTOR_101, LATE_LIBRARY, LATE_PLACES };
enum { EARLY_LIBRARY_BYTES = 5000 };

/* 1: as it should be; 2: not; 0: never came there. */
struct early_report {
    int good[LATE_PLACES];
};

/* What the library has allocated, and where it shall report at the end. */
struct early_library {
    unsigned char *p;
    struct early_report *report;
};
extern struct early_library early_library __attribute__((visibility("default")));

#endif
