// t/cxx.cc - the 20 operators new and delete, as C++ programs meet them.  t/cxx.sh builds and
// runs it, and with -DPLUG_IN makes a plug-in of it for a host that is written in C.
// Speaks TAP without a plan; t/cxx.sh numbers the results anew.
// SPDX-License-Identifier: MIT
#include <jsmalloc.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <new>

// Above PTRDIFF_MAX: no allocator can have it, and the compiler must not know.
static volatile std::size_t too_much = SIZE_MAX / 2 + 4096;
static int handler_calls;

static void
handler()
{
    if (++handler_calls == 3)
        std::set_new_handler(nullptr);
}

#ifdef PLUG_IN

// 0 if a failing new throws, runs the handler and can be caught, all inside the plug-in.
extern "C" int
plug_in()
{
    bool thrown = false;

    try {
        ::operator delete(::operator new(too_much));
    } catch (const std::bad_alloc &) {
        thrown = true;
    }
    if (!thrown)
        return 1;
    thrown = false;
    std::set_new_handler(handler);
    try {
        ::operator delete[](::operator new[](too_much));
    } catch (const std::bad_alloc &) {
        thrown = true;
    }
    if (!thrown || handler_calls != 3)
        return 2;
    if (::operator new(too_much, std::nothrow) != nullptr)
        return 3;
    int *volatile p = new int(42);
    bool ours = jsm_is_ours(p);
    delete p;
    return ours ? 0 : 4;
}

#else

struct own_bad_alloc : std::bad_alloc {
    int number;
};

static void
handler_that_throws()
{
    own_bad_alloc e;
    e.number = 42;
    throw e;
}

static void
ok(bool pass, const char *what)
{
    std::printf("%sok - %s\n", pass ? "" : "not ", what);
    std::fflush(stdout);
}

static bool
good(void *p, std::size_t align)
{
    return p != nullptr && jsm_is_ours(p) && reinterpret_cast<std::uintptr_t>(p) % align == 0;
}

static void
plain()
{
    void *p = ::operator new(100);
    ok(good(p, 16), "new");
    ::operator delete(p);
    ok(!jsm_is_ours(p), "delete");
    p = ::operator new[](100);
    ok(good(p, 16), "new[]");
    ::operator delete[](p);
    ok(!jsm_is_ours(p), "delete[]");

    p = ::operator new(100);
    ::operator delete(p, std::size_t(100));
    ok(!jsm_is_ours(p), "delete with the size");
    p = ::operator new[](100);
    ::operator delete[](p, std::size_t(100));
    ok(!jsm_is_ours(p), "delete[] with the size");

    p = ::operator new(100, std::nothrow);
    ok(good(p, 16), "new (nothrow)");
    ::operator delete(p, std::nothrow);
    ok(!jsm_is_ours(p), "delete (nothrow)");
    p = ::operator new[](100, std::nothrow);
    ok(good(p, 16), "new[] (nothrow)");
    ::operator delete[](p, std::nothrow);
    ok(!jsm_is_ours(p), "delete[] (nothrow)");

    p = ::operator new(0);
    void *q = ::operator new(0);
    ok(p != nullptr && q != nullptr && p != q, "new of nothing gives blocks of their own");
    ::operator delete(p);
    ::operator delete(q);
    ::operator delete(nullptr);
    ::operator delete[](nullptr);
    ::operator delete(nullptr, std::size_t(8));
    ::operator delete(nullptr, std::nothrow);
    ok(true, "delete of nothing does nothing");
}

static void
aligned()
{
    const std::size_t align = 256, bytes = 1000;
    const std::align_val_t to = std::align_val_t(align);

    void *p = ::operator new(bytes, to);
    ok(good(p, align), "new with alignment");
    ::operator delete(p, to);
    ok(!jsm_is_ours(p), "delete with alignment");
    p = ::operator new[](bytes, to);
    ok(good(p, align), "new[] with alignment");
    ::operator delete[](p, to);
    ok(!jsm_is_ours(p), "delete[] with alignment");

    p = ::operator new(bytes, to);
    ::operator delete(p, bytes, to);
    ok(!jsm_is_ours(p), "delete with size and alignment");
    p = ::operator new[](bytes, to);
    ::operator delete[](p, bytes, to);
    ok(!jsm_is_ours(p), "delete[] with size and alignment");

    p = ::operator new(bytes, to, std::nothrow);
    ok(good(p, align), "new (nothrow) with alignment");
    ::operator delete(p, to, std::nothrow);
    ok(!jsm_is_ours(p), "delete (nothrow) with alignment");
    p = ::operator new[](bytes, to, std::nothrow);
    ok(good(p, align), "new[] (nothrow) with alignment");
    ::operator delete[](p, to, std::nothrow);
    ok(!jsm_is_ours(p), "delete[] (nothrow) with alignment");
}

// Whether `allocate` throws bad_alloc.
template <typename F>
static bool
throws(F allocate)
{
    try {
        allocate();
    } catch (const std::bad_alloc &) {
        return true;
    }
    return false;
}

static void
failing()
{
    const std::align_val_t to = std::align_val_t(64);

    ok(throws([] { ::operator delete(::operator new(too_much)); }), "new throws bad_alloc");
    ok(throws([] { ::operator delete[](::operator new[](too_much)); }), "new[] throws bad_alloc");
    ok(throws([=] { ::operator delete(::operator new(too_much, to), to); }), "new with alignment throws bad_alloc");
    ok(throws([=] { ::operator delete[](::operator new[](too_much, to), to); }), "new[] with alignment throws bad_alloc");
    ok(::operator new(too_much, std::nothrow) == nullptr, "new (nothrow) gives a null pointer");
    ok(::operator new[](too_much, std::nothrow) == nullptr, "new[] (nothrow) gives a null pointer");
    ok(::operator new(too_much, to, std::nothrow) == nullptr, "new (nothrow) with alignment gives a null pointer");
    ok(::operator new[](too_much, to, std::nothrow) == nullptr, "new[] (nothrow) with alignment gives a null pointer");
}

static void
handlers()
{
    std::set_new_handler(handler);
    ok(throws([] { ::operator delete(::operator new(too_much)); }) && handler_calls == 3,
       "the new handler is called until there is none");

    handler_calls = 0;
    std::set_new_handler(handler);
    ok(::operator new(too_much, std::nothrow) == nullptr && handler_calls == 3, "by new (nothrow) as well");

    int caught = -1;
    std::set_new_handler(handler_that_throws);
    try {
        ::operator delete(::operator new(too_much));
    } catch (const own_bad_alloc &e) {
        caught = e.number;
    }
    ok(caught == 42, "what the handler throws passes through new");
    ok(::operator new(too_much, std::nothrow) == nullptr && ::operator new[](too_much, std::nothrow) == nullptr &&
           ::operator new(too_much, std::align_val_t(64), std::nothrow) == nullptr &&
           ::operator new[](too_much, std::align_val_t(64), std::nothrow) == nullptr,
       "but not through new (nothrow), which gives a null pointer");
    std::set_new_handler(nullptr);
}

int
main()
{
    plain();
    aligned();
    failing();
    handlers();
    return 0;
}

#endif
