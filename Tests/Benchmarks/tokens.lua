-- wrk: each request carries the next token of TOKENS. With ONCE set, the run ends when every token was sent.
local requests, sent, once = {}, 0, os.getenv("ONCE") == "1"

function init(arguments)
  for line in io.lines(os.getenv("TOKENS")) do
    requests[#requests + 1] = wrk.format("GET", "/orders/list", { ["Authorization"] = "Bearer " .. line, ["Host"] = "api.example.com" })
  end
end

function request()
  sent = sent + 1
  if once and sent > #requests then
    wrk.thread:stop()
  end
  return requests[(sent - 1) % #requests + 1]
end
