-- Pairs of nodes whose errors and warnings come in the same slots more often than chance lets expect: [[node, node], ...],
-- learnt from the 14 days that end with the day before. A cache: a function of counts and of what detection saw of each hour.
CREATE TABLE "NodeLinks" (
  day      TIMESTAMP PRIMARY KEY,
  "madeOf" VARCHAR NOT NULL,
  links    JSONB NOT NULL
);
