-- Every call of an agent's tool: who asked what, and how it ended. Answers are not kept, they can be asked for again.
CREATE TABLE "AgentCall" (
  id           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at           TIMESTAMP NOT NULL,
  transport    VARCHAR NOT NULL,  -- stdio, http
  client       VARCHAR NOT NULL,  -- what the client calls itself
  tool         VARCHAR NOT NULL,
  arguments    TEXT NOT NULL,     -- JSON, redacted and cut
  outcome      VARCHAR NOT NULL,  -- answered, refused (what was asked), failed (our fault, or the database's)
  reason       TEXT,
  entries      INTEGER NOT NULL,
  tokens       INTEGER NOT NULL,
  milliseconds INTEGER NOT NULL
);
CREATE INDEX "AgentCall_at_idx" ON "AgentCall" (at);
