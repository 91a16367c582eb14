-- Polls (POST) of known sids, in turn: the same request as that of client.mjs. Arguments: the sids.
local requests = {}
local next = 0

function init(sids)
  local headers = {
    ["Host"] = "localhost",
    ["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    ["Accept"] = "*/*",
    ["Accept-Encoding"] = "gzip, deflate",
    ["Origin"] = "http://localhost",
    ["Connection"] = "keep-alive",
    ["Content-Type"] = "text/plain;charset=UTF-8",
  }
  for _, sid in ipairs(sids) do
    table.insert(requests, wrk.format("POST", "/socket.io/?EIO=4&transport=polling&t=P8xQ1aC&sid=" .. sid, headers, "3"))
  end
end

function request()
  next = next % #requests + 1
  return requests[next]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format('{"count":%d,"us":%d,"p50":%f,"p99":%f,"failed":%d}\n', summary.requests, summary.duration,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
