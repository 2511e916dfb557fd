# t/programs/g++.sh - a file full of templates: does the compiler write the same object file?
# SPDX-License-Identifier: MIT
. "$top_srcdir/t/programs/common.sh"

need g++
plan 3

cat >"$in/templates.cc" <<'END'
#include <algorithm>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <tuple>
#include <unordered_map>
#include <variant>
#include <vector>
template <int N> struct fib { static constexpr long value = fib<N - 1>::value + fib<N - 2>::value; };
template <> struct fib<0> { static constexpr long value = 0; };
template <> struct fib<1> { static constexpr long value = 1; };
template <int N> struct tower {
    using type = std::map<std::string, std::vector<std::tuple<int, std::shared_ptr<std::array<char, N + 1>>>>>;
    static std::size_t run() {
        type t;
        for (int i = 0; i < N; i++)
            t["k" + std::to_string(i)].emplace_back(i, std::make_shared<std::array<char, N + 1>>());
        return t.size() + tower<N - 1>::run();
    }
};
template <> struct tower<0> { static std::size_t run() { return 0; } };
template <typename... T> std::string show(const std::variant<T...> &v) {
    return std::visit([](const auto &x) { std::ostringstream s; s << x; return s.str(); }, v);
}
int main() {
    std::unordered_map<std::string, std::function<long(long)>> f;
    f["double"] = [](long x) { return 2 * x; };
    std::smatch m;
    std::string text = "answer=42";
    std::regex_match(text, m, std::regex("(\\w+)=(\\d+)"));
    std::cout << fib<80>::value << ' ' << tower<DEPTH>::run() << ' ' << f["double"](21) << ' ' << m[2]
              << show(std::variant<int, double, std::string>(std::string("!"))) << '\n';
}
END

cat >"$in/build.sh" <<'END'
set -e
g++ -std=c++17 -O1 -DDEPTH="$2" -frandom-seed=1 -c -o t.o "$1"
g++ -o program t.o
./program
END

uses cc1plus g++ -S -o small.s -x c++ /dev/null
uses ld g++ -shared -o small.so -x c++ /dev/null
same 'a file full of templates: object file, program, and what it prints' sh "$in/build.sh" "$in/templates.cc" "$(amount 12)"
