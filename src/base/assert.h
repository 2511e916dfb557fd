/* base/assert.h - three levels of assertion, and the check that is always there.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef JSM_ASSERT_H
#define JSM_ASSERT_H

#ifndef JSM_DEBUG
#error "JSM_DEBUG comes from config.h: include <config.h> first"
#endif

/* Says what failed on stderr and stops the process.  Takes no lock and no memory. */
_Noreturn void jsm_panic(const char *what, const char *file, int line);

/* Compiled into every build: for what a bug in the program can break and would be exploited. */
#define JSM_CHECK(cond) (jsm_likely(cond) ? (void)0 : jsm_panic(#cond, __FILE__, __LINE__))

/* An `if` on a constant, not an #if: the condition is parsed in every build. */
#define JSM_ASSERT_AT(level, cond) (JSM_DEBUG >= (level) ? JSM_CHECK(cond) : (void)0)

#define jsm_assert(cond)      JSM_ASSERT_AT(1, cond) /* O(1), no loads a caller has not done */
#define jsm_assert_inv(cond)  JSM_ASSERT_AT(2, cond) /* O(1) invariants of one object */
#define jsm_assert_walk(cond) JSM_ASSERT_AT(3, cond) /* O(n) walks over a structure */

#endif
