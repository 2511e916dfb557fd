# t/programs/lua.sh - tables, strings and closures of Lua, which calls realloc for everything.
# SPDX-License-Identifier: MIT
. "$top_srcdir/t/programs/common.sh"

need lua5.4
plan 2

cat >"$in/work.lua" <<'END'
local n = tonumber(arg[1])
local seed = 1
local function rnd(m) seed = (seed * 16807) % 2147483647; return seed % m end
local t, words, functions = {}, {}, {}
for i = 1, n do
    local k = "k" .. rnd(5000)
    t[k] = (t[k] or "") .. i .. ","
    if #t[k] > 400 then t[k] = nil end
    words[#words + 1] = string.rep(string.char(97 + rnd(26)), rnd(60))
    functions[rnd(2000)] = function() return i, k end
    if i % 1000 == 0 then collectgarbage("step") end
end
table.sort(words)
local text = table.concat(words, " ")
local count = 0
for w in text:gmatch("%a+") do count = count + #w end
local keys = {}
for k in pairs(t) do keys[#keys + 1] = k end
table.sort(keys)
local function tree(d) if d == 0 then return {} end return { tree(d - 1), tree(d - 1) } end
local function nodes(x) return 1 + (x[1] and nodes(x[1]) + nodes(x[2]) or 0) end
print(#text, count, #keys, keys[1], #t[keys[1]], nodes(tree(15)), (text:gsub("a+", "<%0>")):sub(1, 60))
local co = coroutine.wrap(function() for i = 1, 1000 do coroutine.yield(string.rep("y", i)) end end)
local sum = 0
for i = 1, 1000 do sum = sum + #co() end
print(sum)
END

uses lua5.4 lua5.4 -e 'local t = {} for i = 1, 1000 do t[i] = {i} end print(#t)'
same 'tables, strings, closures, coroutines' lua5.4 "$in/work.lua" "$(amount 300000)"
