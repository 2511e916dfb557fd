// t/harden/origins.cc - one block, allocated in one way and freed in another: argv[1] names the pair.
// SPDX-License-Identifier: MIT
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

namespace {

struct alignas(64) wide {
    char bytes[64];
};

template <class T> T *volatile_copy(T *p)
{
    T *volatile q = p;
    return q;
}

void *of(const char *how)
{
    if (std::strcmp(how, "malloc") == 0)
        return std::malloc(40);
    if (std::strcmp(how, "new") == 0)
        return ::operator new(40);
    if (std::strcmp(how, "nothrow") == 0)
        return ::operator new(40, std::nothrow);
    if (std::strcmp(how, "new[]") == 0)
        return ::operator new[](40);
    if (std::strcmp(how, "aligned") == 0)
        return ::operator new(sizeof(wide), std::align_val_t(64));
    if (std::strcmp(how, "large") == 0)
        return ::operator new(200000);
    return nullptr;
}

bool end(const char *how, void *p)
{
    if (std::strcmp(how, "free") == 0)
        std::free(p);
    else if (std::strcmp(how, "realloc") == 0)
        std::free(std::realloc(p, 1000));
    else if (std::strcmp(how, "delete") == 0)
        ::operator delete(p);
    else if (std::strcmp(how, "delete[]") == 0)
        ::operator delete[](p);
    else if (std::strcmp(how, "sized") == 0)
        ::operator delete(p, std::size_t(40));
    else if (std::strcmp(how, "sized-wrong") == 0)
        ::operator delete(p, std::size_t(41));
    else if (std::strcmp(how, "aligned") == 0)
        ::operator delete(p, std::align_val_t(64));
    else
        return false;
    return true;
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 3)
        return 3;
    void *p = volatile_copy(of(argv[1]));
    return p != nullptr && end(argv[2], p) ? 0 : 3;
}
