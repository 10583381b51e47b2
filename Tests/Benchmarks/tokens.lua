-- wrk: each request carries a token of TOKENS, a file of lines of one length, and goes to a path of PATHS ("/orders/list").
-- ORDER: `next` (over and over), `once` (the run ends when every token was sent), `any` (drawn at random).
local order, size, count, sent, path = os.getenv("ORDER") or "next", 0, 0, 0, 0
local file, fixed, paths = nil, nil, {}

local function message(token)
  path = path % #paths + 1
  return "GET " .. paths[path] .. " HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer " .. token .. "\r\n\r\n"
end

function init(arguments)
  file = io.open(os.getenv("TOKENS"), "rb")
  size = #file:read("*l") + 1
  count = file:seek("end") / size
  for one in (os.getenv("PATHS") or "/orders/list"):gmatch("%S+") do paths[#paths + 1] = one end
  if #paths == 1 and paths[1]:sub(1, 1) == "@" then
    local list = paths[1]:sub(2)
    paths = {}
    for line in io.lines(list) do paths[#paths + 1] = line end
  end
  math.randomseed(os.time())  -- not the draws that filled the cache
  if count == 1 then
    -- One token: written once, so that wrk is not what is measured.
    file:seek("set", 0)
    local token, all = file:read("*l"), {}
    for index = 1, #paths do all[index] = message(token) end
    fixed = all
  end
end

function request()
  sent = sent + 1
  if fixed then return fixed[(sent - 1) % #fixed + 1] end
  if order == "once" and sent > count then wrk.thread:stop() end
  local index = order == "any" and math.random(0, count - 1) or (sent - 1) % count
  file:seek("set", index * size)
  return message(file:read(size - 1))
end
