-- bench/programs/tables-work.lua - tables, closures and strings: a small interpreter of arithmetic expressions.
-- SPDX-License-Identifier: MIT
local rounds = math.max(1, math.floor(18000 * tonumber(arg[1]) / 100))
local state = 42

local function draw(n)
    state = (state * 1103515245 + 12345) & 0x7fffffff
    return (state >> 8) % n
end

local function source(depth)
    if depth == 0 or draw(6) == 0 then
        return draw(2) == 0 and tostring(draw(1000)) or "v" .. draw(20)
    end
    local operator = ({ "+", "-", "*" })[draw(3) + 1]
    return "(" .. source(depth - 1) .. " " .. operator .. " " .. source(depth - 1) .. ")"
end

local function split(text)
    local tokens = {}
    for word, sign in text:gmatch("(%w*)%s*([()+*-]?)%s*") do
        if word ~= "" then tokens[#tokens + 1] = word end
        if sign ~= "" then tokens[#tokens + 1] = sign end
    end
    return tokens
end

local function parse(tokens, at)
    local token = tokens[at]
    if token ~= "(" then
        return { kind = tonumber(token) and "number" or "name", text = token }, at + 1
    end
    local left, right
    left, at = parse(tokens, at + 1)
    local operator = tokens[at]
    right, at = parse(tokens, at + 1)
    return { kind = operator, left = left, right = right }, at + 1
end

local function compile(node)
    if node.kind == "number" then
        local value = tonumber(node.text)
        return function() return value end
    elseif node.kind == "name" then
        local name = node.text
        return function(names) return names[name] or 0 end
    end
    local left, right = compile(node.left), compile(node.right)
    if node.kind == "+" then return function(n) return (left(n) + right(n)) % 1000003 end end
    if node.kind == "-" then return function(n) return (left(n) - right(n)) % 1000003 end end
    return function(n) return (left(n) * right(n)) % 1000003 end
end

local kept, names, sum = {}, {}, 0
for i = 1, rounds do
    local text = source(5)
    local program = compile((parse(split(text), 1)))
    kept[i % 3000] = { text = text, run = program, calls = {} }
    local other = kept[draw(3000)]
    if other then
        local value = other.run(names)
        other.calls[#other.calls + 1] = value
        names["v" .. i % 20] = value
        sum = (sum + value) % 1000000007
    end
end
print(sum, #kept, names.v1)
