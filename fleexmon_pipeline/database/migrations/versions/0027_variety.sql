-- Whether the values in a pattern's lines vary: how many different values each field of up to 8 of a slot's lines has, 4 bits a
-- field. NULL of fewer than 3 lines, of lines without fields, and in slots counted by an older release.
ALTER TABLE "LogPatternCount" ADD COLUMN variety BIGINT;
