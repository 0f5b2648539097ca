-- Days whose lines are in files, below FLEEXMON_ARCHIVE. A row and the lines' removal are what reading goes by: a file that
-- no row names does not exist for it.
CREATE TABLE "ArchivedDay" (
  day         TIMESTAMP PRIMARY KEY,  -- its begin, UTC
  state       VARCHAR NOT NULL,       -- archived; restored: the lines are in the table as well; expired: files are being deleted
  file        VARCHAR NOT NULL,       -- below FLEEXMON_ARCHIVE
  stale       VARCHAR[] NOT NULL,     -- earlier files of the day, deleted by the next run
  lines       BIGINT NOT NULL,
  bytes       BIGINT NOT NULL,
  sha256      VARCHAR NOT NULL,       -- of the file
  hours       JSONB NOT NULL,         -- per hour that has lines: their number, and a hash of their content
  "writtenAt" TIMESTAMP NOT NULL,
  run         VARCHAR
);

-- What a line says, as 32 hexadecimal digits. The same is computed from an archive's file, so every value is a text of its
-- own, with its length before it: no two different lines have the same.
CREATE FUNCTION line_hash(id uuid, at timestamp, level text, message text, source text, hostname text, metadata jsonb,
  created timestamp) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT md5(id::text || to_char(at, 'YYYY-MM-DD"T"HH24:MI:SS.US') || octet_length(level) || ':' || level
    || octet_length(message) || ':' || message || octet_length(source) || ':' || source
    || octet_length(hostname) || ':' || hostname || COALESCE(octet_length(metadata::text) || ':' || metadata::text, '-')
    || COALESCE(CASE WHEN created BETWEEN '0001-01-01' AND '9999-12-31'
      THEN to_char(created, 'YYYY-MM-DD"T"HH24:MI:SS.US') ELSE created::text END, '-'))
$$;
