-- Free space of the disk that holds FLEEXMON_HOME, once an hour, for 30 days: when it will be full.
CREATE TABLE "DiskSample" (
  at    TIMESTAMP PRIMARY KEY,
  free  BIGINT NOT NULL,
  total BIGINT NOT NULL
);
