/* osmem/osmem.h - facade of the os_ allocator, which shares nothing with the heap of the other layers.
 *
 * Its functions are in <jsmalloc/osmem.h>.
 *
 * May include: base, os, rt.
 * SPDX-License-Identifier: MIT
 */
#ifndef JSM_OSMEM_H
#define JSM_OSMEM_H

#include "base/base.h"
#include "os/os.h"
#include "rt/rt.h"

/* Walks over all blocks, tests the invariants of osmem/block.h and reports each fault; number of faults. */
unsigned jsm_osmem_check(void);

#endif
