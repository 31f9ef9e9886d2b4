-- Introspection as one would write it for the lua filter.
function envoy_on_request(handle)
  local authorization = handle:headers():get("authorization") or ""
  local token = authorization:match("^[Bb]earer ([%w%-%._~%+/]+=*)$")
  if not token then
    handle:respond({[":status"] = "401"}, "")
    return
  end
  local headers, body = handle:httpCall("texas", {
    [":method"] = "POST",
    [":path"] = "/api/v1/introspect",
    [":authority"] = "texas",
    ["content-type"] = "application/x-www-form-urlencoded",
  }, "identity_provider=maskinporten&token=" .. token, 20000)
  if headers[":status"] ~= "200" then
    handle:respond({[":status"] = "503"}, "")
  elseif not body:find('"active":true', 1, true) then
    handle:respond({[":status"] = "401"}, "")
  elseif not body:find('"scope":"[^"]*api:read[^"]*"') then
    handle:respond({[":status"] = "403"}, "")
  end
end
