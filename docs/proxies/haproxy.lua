-- Asks lacre's gateway whether a request may go on; for HAProxy 2.6 or later, with nothing but its own client.
-- Sets txn.authz to the status (503 where there was no answer), and what the service or the client is to be told.

local AUTHZ = "http://127.0.0.1:9091/authz/wiki"
local TIMEOUT_MS = 2000

-- What the gateway looks at. Nothing else of the request is sent, and no body.
local ASKED = { "authorization", "cookie", "x-csrf-token", "origin", "referer", "sec-fetch-site", "user-agent" }
local TOLD = { user = "remote-user", email = "remote-email", name = "remote-name", groups = "remote-groups",
               challenge = "www-authenticate" }

core.register_action("lacre_authz", { "http-req" }, function(txn)
    local sent = txn.http:req_get_headers()
    local headers = {
        ["x-forwarded-method"] = { txn.f:method() },
        ["x-forwarded-for"] = { txn.f:src() },
    }
    for _, name in ipairs(ASKED) do
        -- The values of a field are counted from 0. All of them: two tokens are for the gateway to refuse.
        local values = sent[name]
        if values then
            local all, i = {}, 0
            while values[i] do
                all[#all + 1] = values[i]
                i = i + 1
            end
            headers[name] = all
        end
    end
    local ok, answer = pcall(function()
        return core.httpclient():get { url = AUTHZ, headers = headers, timeout = TIMEOUT_MS }
    end)
    local status = ok and answer and answer.status or 0
    if status ~= 200 and status ~= 401 and status ~= 403 then
        status = 503
    end
    txn:set_var("txn.authz", status)
    for variable, field in pairs(TOLD) do
        local values = ok and answer and answer.headers and answer.headers[field]
        txn:set_var("txn." .. variable, values and values[0] or "")
    end
end)
