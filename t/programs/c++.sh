# t/programs/c++.sh - a C++ program made on the spot: containers, threads and exceptions.
# SPDX-License-Identifier: MIT
. "$top_srcdir/t/programs/common.sh"

cxx=${CXX:-g++}
need "${cxx%% *}"

cat >"$in/program.cc" <<'END'
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <future>
#include <iostream>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

struct wide { alignas(256) char c[300]; };

static std::mutex lock;
static std::vector<std::unique_ptr<std::string>> handed_over;
static std::atomic<unsigned> caught;

static void thrower(unsigned depth, unsigned seed) {
    std::string weight(seed % 200, 'w');
    if (depth == 0)
        throw std::runtime_error("thrown with " + weight);
    thrower(depth - 1, seed);
}

static std::uint64_t work(unsigned id, unsigned n) {
    std::map<unsigned, std::string> tree;
    std::unordered_map<std::string, std::vector<unsigned>> table;
    std::list<std::deque<unsigned>> queues;
    std::uint32_t seed = id * 2654435761u + 1;
    std::uint64_t sum = 0;
    for (unsigned i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        unsigned r = seed >> 8;
        tree[r % 5000] = std::string(r % 300, static_cast<char>('a' + r % 26));
        table["k" + std::to_string(r % 700)].push_back(r);
        if (i % 3 == 0)
            tree.erase(tree.begin());
        if (i % 64 == 0)
            queues.emplace_back(r % 100, r);
        if (i % 100 == 0) {
            std::unique_ptr<wide> w(new wide());
            sum += reinterpret_cast<std::uintptr_t>(w.get()) % 256;
            try {
                thrower(r % 20, r);
            } catch (const std::exception &e) {
                caught++;
                sum += std::string(e.what()).size();
            }
            std::lock_guard<std::mutex> guard(lock);
            handed_over.push_back(std::make_unique<std::string>(r % 2000, 'h'));
            if (handed_over.size() > 50)
                handed_over.erase(handed_over.begin(), handed_over.begin() + 25);
        }
    }
    for (const auto &t : tree)
        sum += t.first + t.second.size();
    for (const auto &t : table)
        sum += t.first.size() * t.second.size();
    for (const auto &q : queues)
        sum += q.size();
    return sum;
}

int main(int argc, char **argv) {
    unsigned n = argc > 1 ? static_cast<unsigned>(std::atoi(argv[1])) : 1000;
    std::vector<std::future<std::uint64_t>> results;
    for (unsigned id = 0; id < 6; id++)
        results.push_back(std::async(std::launch::async, work, id, n));
    for (auto &r : results)
        std::cout << r.get() << '\n';
    for (unsigned i = 0; i < 200; i++)
        std::thread([i] { delete[] new char[i * 37 + 1]; }).join();
    volatile std::size_t huge = SIZE_MAX / 2;
    try {
        char *p = new char[huge];
        p[0] = 1;
        std::cout << "got " << static_cast<void *>(p) << '\n';
    } catch (const std::bad_alloc &) {
        std::cout << "bad_alloc\n";
    }
    std::cout << (new (std::nothrow) char[huge] == nullptr) << ' ' << caught << '\n';
}
END
# The compiler may come with arguments.
# shellcheck disable=SC2086
$cxx -std=c++17 -O1 -pthread -w -o "$in/program" "$in/program.cc" 2>"$tmp/log" ||
    skip_all "${cxx%% *} does not make C++17 programs"
plan 2

uses program "$in/program" 100
same 'containers, threads, exceptions, aligned and failing new' "$in/program" "$(amount 60000)"
