-- All issues of a rule, as those of a node. A mute is about one of the three.
ALTER TABLE "IssueMute" ADD COLUMN rule VARCHAR, ADD COLUMN "endedWhy" TEXT;
ALTER TABLE "IssueMute" DROP CONSTRAINT "IssueMute_check";
ALTER TABLE "IssueMute" ADD CONSTRAINT "IssueMute_one_scope" CHECK (num_nonnulls(fingerprint, node, rule) = 1);
