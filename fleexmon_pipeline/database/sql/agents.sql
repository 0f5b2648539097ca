-- record --
INSERT INTO "AgentCall" (at, transport, client, tool, arguments, outcome, reason, entries, tokens, milliseconds)
VALUES (%(at)s, %(transport)s, %(client)s, %(tool)s, %(arguments)s, %(outcome)s, %(reason)s, %(entries)s, %(tokens)s,
  %(milliseconds)s);

-- calls --
SELECT id, at, transport, client, tool, arguments, outcome, reason, entries, tokens, milliseconds
FROM "AgentCall" ORDER BY id DESC LIMIT %(limit)s;
