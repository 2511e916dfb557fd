# m4/jsm.m4 - configure checks of this package.
# SPDX-License-Identifier: MIT

# JSM_CC_FLAGS(VARIABLE, FLAGS)
# Appends to VARIABLE, which is substituted, each of FLAGS that the C compiler takes without
# a word.  -Werror, because clang only warns about flags it does not know.
AC_DEFUN([JSM_CC_FLAGS], [
  AC_SUBST([$1])
  m4_foreach_w([jsm_flag], [$2], [
    AS_VAR_PUSHDEF([jsm_cv], [jsm_cv_cc_[]jsm_flag])
    AC_CACHE_CHECK([whether $CC accepts jsm_flag], [jsm_cv], [
      jsm_save_CFLAGS=$CFLAGS
      CFLAGS="$CFLAGS -Werror jsm_flag"
      AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [])],
        [AS_VAR_SET([jsm_cv], [yes])], [AS_VAR_SET([jsm_cv], [no])])
      CFLAGS=$jsm_save_CFLAGS])
    AS_VAR_IF([jsm_cv], [yes], [AS_VAR_APPEND([$1], [" jsm_flag"])])
    AS_VAR_POPDEF([jsm_cv])])
])

# JSM_LD_FLAGS(VARIABLE, FLAGS)
# The same for linking a shared object.  The object that is linked calls libc, since some of
# the flags (-z defs under a sanitizer, JSM_SAN_CFLAGS) only fail on objects that do.
AC_DEFUN([JSM_LD_FLAGS], [
  AC_SUBST([$1])
  m4_foreach_w([jsm_flag], [$2], [
    AS_VAR_PUSHDEF([jsm_cv], [jsm_cv_ld_[]jsm_flag])
    AC_CACHE_CHECK([whether the linker accepts jsm_flag], [jsm_cv], [
      jsm_save_LDFLAGS=$LDFLAGS
      LDFLAGS="$LDFLAGS $JSM_SAN_CFLAGS -shared -fPIC jsm_flag"
      AC_LINK_IFELSE([AC_LANG_SOURCE([[
#include <stdlib.h>
#include <string.h>
char *copy (const char *s);
char *copy (const char *s) { char *p = malloc (strlen (s) + 1); return p ? strcpy (p, s) : p; }]])],
        [AS_VAR_SET([jsm_cv], [yes])], [AS_VAR_SET([jsm_cv], [no])])
      LDFLAGS=$jsm_save_LDFLAGS])
    AS_VAR_IF([jsm_cv], [yes], [AS_VAR_APPEND([$1], [" jsm_flag"])])
    AS_VAR_POPDEF([jsm_cv])])
])

# JSM_LD_VERSION_SCRIPT
# Conditional HAVE_LD_VERSION_SCRIPT: the linker gives versions to names by a script that has
# one named node and no `local: *`, and leaves other names exported and without a version.
AC_DEFUN([JSM_LD_VERSION_SCRIPT], [
  AC_CACHE_CHECK([whether the linker accepts --version-script], [jsm_cv_ld_version_script], [
    AS_ECHO(["V_1 { global: versioned; };"]) > conftest.map
    jsm_save_LDFLAGS=$LDFLAGS
    LDFLAGS="$LDFLAGS -shared -fPIC -Wl,--version-script=conftest.map"
    AC_LINK_IFELSE([AC_LANG_SOURCE([[
int versioned (void);
int plain (void);
int versioned (void) { return 0; }
int plain (void) { return 0; }]])],
      [jsm_cv_ld_version_script=yes], [jsm_cv_ld_version_script=no])
    LDFLAGS=$jsm_save_LDFLAGS
    rm -f conftest.map])
  AM_CONDITIONAL([HAVE_LD_VERSION_SCRIPT], [test "x$jsm_cv_ld_version_script" = xyes])
])

# JSM_REQUIRE_ATOMICS
# Stops when pointers and 32- and 64-bit words have no lock-free atomic operations, or bytes cannot be loaded and
# stored: an allocator whose atomics take locks in libatomic would deadlock in signal handlers and fork.  Bytes and
# 16-bit words are never exchanged or added to: gcc calls libatomic for that on riscv64.
AC_DEFUN([JSM_REQUIRE_ATOMICS], [
  AC_CACHE_CHECK([whether C11 atomics are lock-free], [jsm_cv_lock_free], [
    AC_LINK_IFELSE([AC_LANG_PROGRAM([[
#include <stdatomic.h>
#include <stdint.h>
#if ATOMIC_POINTER_LOCK_FREE != 2 || ATOMIC_INT_LOCK_FREE != 2 || ATOMIC_LLONG_LOCK_FREE != 2
#error "some atomics take locks"
#endif
static _Atomic(uintptr_t) word;
static _Atomic(uint64_t) wide;
static _Atomic(uint32_t) count;
static _Atomic(uint8_t) byte;]], [[
uintptr_t old = 0;
uint64_t old_wide = 0;
atomic_store_explicit (&byte, 1, memory_order_release);
atomic_fetch_add_explicit (&count, atomic_load_explicit (&byte, memory_order_relaxed), memory_order_relaxed);
if (!atomic_compare_exchange_weak_explicit (&wide, &old_wide, 1, memory_order_acq_rel, memory_order_relaxed))
  return 1;
return !atomic_compare_exchange_strong_explicit (&word, &old, 1, memory_order_acq_rel, memory_order_acquire);]])],
      [jsm_cv_lock_free=yes], [jsm_cv_lock_free=no])])
  AS_VAR_IF([jsm_cv_lock_free], [no],
    [AC_MSG_ERROR([this compiler has no lock-free C11 atomics for $host_cpu])])
])

# JSM_REQUIRE_TLS
# Stops without thread-local variables: every thread finds its heap in one.
AC_DEFUN([JSM_REQUIRE_TLS], [
  AC_CACHE_CHECK([for thread-local variables], [jsm_cv_tls], [
    AC_LINK_IFELSE([AC_LANG_PROGRAM([[
static _Thread_local void *heap __attribute__ ((tls_model ("initial-exec")));]], [[return heap != 0;]])],
      [jsm_cv_tls=yes], [jsm_cv_tls=no])])
  AS_VAR_IF([jsm_cv_tls], [no], [AC_MSG_ERROR([initial-exec thread-local variables are needed])])
])

# JSM_TRY_CXX(COMPILER)
# Sets jsm_cv_prog_cxx to COMPILER if it makes programs for the machine and the C library that CC compiles for.
AC_DEFUN([JSM_TRY_CXX], [
  AS_IF([test "x$jsm_cv_prog_cxx" = xno], [
    cat > conftest.cc <<'JSM_EOF'
#include <limits.h>
#include <new>
#ifdef __GLIBC__
#define from_c with_glibc
#endif
extern "C" int from_c (void);
int main () { try { return *new int (from_c ()); } catch (const std::bad_alloc &) { return 1; } }
JSM_EOF
    cat > conftest.c <<'JSM_EOF'
#include <limits.h>
#ifdef __GLIBC__
#define from_c with_glibc
#endif
int from_c (void);
int from_c (void) { return 0; }
JSM_EOF
    AS_IF([AC_TRY_COMMAND([$CC -c $CFLAGS $CPPFLAGS conftest.c -o conftest.o >&AS_MESSAGE_LOG_FD]) &&
           AC_TRY_COMMAND([$1 $LDFLAGS conftest.cc conftest.o -o conftest$EXEEXT >&AS_MESSAGE_LOG_FD])],
      [jsm_cv_prog_cxx="$1"])
    rm -f conftest.cc conftest.c conftest.o conftest$EXEEXT])
])

# JSM_PROG_CXX
# Sets CXX, for tests only, or to nothing.  Not AC_PROG_CXX: no part of the library is C++, a
# machine without a C++ compiler is as good, and the compiler must match CC (which may be
# "gcc -m32" or a cross compiler), or its objects do not link with ours.
AC_DEFUN([JSM_PROG_CXX], [
  AC_ARG_VAR([CXX], [C++ compiler, for the tests of C++ programs only])
  AC_CACHE_CHECK([for a C++ compiler that goes with $CC], [jsm_cv_prog_cxx], [
    jsm_cv_prog_cxx=no
    jsm_like_CC=`AS_ECHO(["$CC"]) | sed -e 's/gcc/g++/' -e 's/clang/clang++/' -e 's/++++/++/'`
    AS_IF([test "x$CXX" != x], [JSM_TRY_CXX([$CXX])],
      [AS_IF([test "x$jsm_like_CC" != "x$CC"], [JSM_TRY_CXX([$jsm_like_CC])])
       JSM_TRY_CXX([g++])
       JSM_TRY_CXX([c++])
       JSM_TRY_CXX([clang++])])])
  AS_VAR_IF([jsm_cv_prog_cxx], [no], [CXX=], [CXX=$jsm_cv_prog_cxx])
])
