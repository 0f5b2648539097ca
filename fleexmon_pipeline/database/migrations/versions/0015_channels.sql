-- Messages to channels. One row is one event for one channel, and its key is what makes it be sent once.
-- status: waiting; sent; merged, into the message that "mergedInto" names; failed, given up.
-- "inFlight": an attempt began and its outcome is not known. Where a run is killed it stays, and the next attempt knows.
-- unproven: attempts that may have arrived. accepted: targets of the channel that took it, as hashes.
CREATE TABLE "ChannelMessage" (
  channel         VARCHAR NOT NULL,
  key             VARCHAR NOT NULL,
  "eventId"       VARCHAR NOT NULL,
  position        BIGINT GENERATED ALWAYS AS IDENTITY,
  event           VARCHAR NOT NULL,
  severity        VARCHAR NOT NULL,
  message         JSONB NOT NULL,
  status          VARCHAR NOT NULL DEFAULT 'waiting' CHECK (status IN ('waiting', 'sent', 'merged', 'failed')),
  attempts        INTEGER NOT NULL DEFAULT 0,
  "inFlight"      BOOLEAN NOT NULL DEFAULT false,
  unproven        INTEGER NOT NULL DEFAULT 0,
  accepted        VARCHAR[] NOT NULL DEFAULT '{}',
  "lastError"     TEXT,
  "nextAttemptAt" TIMESTAMP,
  "mergedInto"    VARCHAR,
  "createdAt"     TIMESTAMP NOT NULL,
  "sentAt"        TIMESTAMP,
  PRIMARY KEY (channel, key, "eventId")
);
CREATE INDEX "ChannelMessage_waiting" ON "ChannelMessage" (channel, position) WHERE status = 'waiting';
CREATE INDEX "ChannelMessage_sent" ON "ChannelMessage" (channel, "sentAt") WHERE status = 'sent';
CREATE INDEX "ChannelMessage_key" ON "ChannelMessage" (key, position);

-- Where a service keeps the messages of a key together: its own identifiers.
CREATE TABLE "ChannelThread" (
  channel     VARCHAR NOT NULL,
  key         VARCHAR NOT NULL,
  thread      JSONB NOT NULL,
  "updatedAt" TIMESTAMP NOT NULL,
  PRIMARY KEY (channel, key)
);

-- What is wrong with a channel as a whole is no message's fault: its backoff applies to all of them.
-- "heldUntil": as the service asked.
CREATE TABLE "ChannelState" (
  channel         VARCHAR PRIMARY KEY,
  failures        INTEGER NOT NULL DEFAULT 0,
  "failingSince"  TIMESTAMP,
  "lastError"     TEXT,
  "lastFailureAt" TIMESTAMP,
  "lastSuccessAt" TIMESTAMP,
  "nextAttemptAt" TIMESTAMP,
  "heldUntil"     TIMESTAMP
);
