-- The load generator's script: what it asks for, and its results as one line of JSON.
--
--     wrk -s load.lua URL -- NAME=VALUE...
--
--     tokens=FILE   one token a line, each request with the next of them
--     method=NAME   of these requests, GET by default
--     order=random  ... with any of them
--     from=N        begins behind the first N tokens, or with {i} at N
--     junk=TOKEN    the token with an encrypted key that is new and wrong for each request
--     body=TEXT     POST; {i} in it counts requests, {u} is one of `users` lines, in turns
--     type=TEXT     the Content-Type of the body, application/json by default
--     users=FILE    what {u} stands for
--     basic=TEXT    HTTP Basic credentials
--     pause=MS      each connection waits so long after an answer
--     keep=FILE     what each answer has in `member`, one a line
--     member=NAME   a member of the answer's JSON, whose value is a text; or several, as a,b, with a blank between the values
--     spent=FILE    POST; each request with one of its lines in `member`, and then with what the answers have in it
--
-- Requests are made before the run where that is possible, so that the generator's own work is
-- small and the same in all runs.

local given = {}

local function lines(path)
  local found = {}
  for line in io.lines(path) do found[#found + 1] = line end
  return found
end

local function get(token)
  return wrk.format(given.method or "GET", nil, { ["Host"] = wrk.headers["Host"], ["Authorization"] = "Bearer " .. token })
end

local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

local function noise(length)
  local out = {}
  for i = 1, length do
    local n = math.random(64)
    out[i] = alphabet:sub(n, n)
  end
  return table.concat(out)
end

-- The value of a member of an answer, or of several.
local function told(body)
  local found = {}
  for member in given.member:gmatch("[^,]+") do
    found[#found + 1] = body:match('"' .. member .. '":"([^"]*)"')
  end
  return table.concat(found, " ")
end

function init(arguments)
  for _, argument in ipairs(arguments) do
    local name, value = argument:match("^(%w+)=(.*)$")
    given[name] = value
  end
  math.randomseed(os.time())
  if given.pause then
    local pause = tonumber(given.pause)
    -- The first requests of the connections are spread over the pause.
    local first = tonumber(given.connections or "0")
    delay = function()
      if first > 0 then
        first = first - 1
        return math.random(0, pause)
      end
      return pause
    end
  end
  if given.tokens then
    local requests, next = {}, tonumber(given.from or "0")
    for i, token in ipairs(lines(given.tokens)) do requests[i] = get(token) end
    collectgarbage("collect")
    collectgarbage("stop")
    if given.order == "random" then
      request = function() return requests[math.random(#requests)] end
    else
      request = function()
        next = next % #requests + 1
        return requests[next]
      end
    end
  elseif given.junk then
    local header, key, rest = given.junk:match("^([^.]+)%.([^.]+)(%..*)$")
    request = function() return get(header .. "." .. noise(#key) .. rest) end
  elseif given.spent then
    wrk.method = "POST"
    wrk.headers["Content-Type"] = "application/json"
    local waiting = lines(given.spent)
    local first, last = 1, #waiting
    request = function()
      -- More lines than connections: there always is one.
      local one = waiting[first]
      waiting[first], first = nil, first + 1
      return wrk.format(nil, nil, nil, '{"' .. given.member .. '":"' .. one .. '"}')
    end
    response = function(status, headers, body)
      last = last + 1
      waiting[last] = told(body)
    end
  elseif given.body then
    wrk.method = "POST"
    wrk.headers["Content-Type"] = given.type or "application/json"
    if given.basic then wrk.headers["Authorization"] = "Basic " .. given.basic end
    local users, count = given.users and lines(given.users) or { "" }, tonumber(given.from or "0")
    request = function()
      count = count + 1
      local body = given.body:gsub("{i}", count):gsub("{u}", users[count % #users + 1])
      return wrk.format(nil, nil, nil, body)
    end
  end
  if given.keep then
    local file = io.open(given.keep, "w")
    -- Nobody closes it.
    file:setvbuf("line", 16384)
    response = function(status, headers, body) file:write(told(body), "\n") end
  end
end

function done(summary, latency)
  local errors = summary.errors
  local out = { string.format('{"requests": %d, "seconds": %f, "refused": %d, "broken": %d, "latency_us": {',
    summary.requests, summary.duration / 1e6, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout) }
  for i, p in ipairs({ 50, 75, 90, 95, 99, 99.9 }) do
    out[#out + 1] = string.format('%s"%s": %d', i > 1 and ", " or "", p, latency:percentile(p))
  end
  io.write("RESULT " .. table.concat(out) .. "}}\n")
end
