-- wrk: one token; gets PATH, or posts SIZE bytes to it.
function init(arguments)
  local token = io.lines(os.getenv("TOKENS"))()
  local headers = { ["Authorization"] = "Bearer " .. token, ["Host"] = "api.example.com" }
  local size = tonumber(os.getenv("SIZE"))
  if size then
    wrk.body = string.rep("0123456789abcdef", size / 16)
    fixed = wrk.format("POST", os.getenv("REQUEST"), headers, wrk.body)
  else
    fixed = wrk.format("GET", os.getenv("REQUEST"), headers)
  end
end

function request() return fixed end
