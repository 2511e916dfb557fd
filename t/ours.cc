// t/ours.cc - whether new, and what the standard library allocates, are the library's.
// SPDX-License-Identifier: MIT
#include <cstddef>
#include <cstdio>
#include <jsmalloc.h>
#include <map>
#include <new>
#include <string>

struct alignas(128) wide {
    char c[128];
};

int
main()
{
    std::map<int, std::string> map;
    for (int i = 0; i < 1000; i++)
        map[i] = std::string(100, 'x');
    wide *w = new wide;
    int *numbers = new int[100];
    bool ours = jsm_is_ours(map[7].data()) && jsm_is_ours(w) && jsm_is_ours(numbers);
    delete w;
    delete[] numbers;

    bool thrown = false;
    volatile std::size_t huge = static_cast<std::size_t>(-1) / 2 + 100;
    try {
        ::operator delete(::operator new(huge));
    } catch (const std::bad_alloc &) {
        thrown = true;
    }
    std::puts(ours && thrown ? "ours" : "not ours");
    return ours && thrown ? 0 : 1;
}
