-- Which wording an occurrence was written with: a hash of the texts of its rule and runbook. An update that rewords them
-- leaves stored rows as they are; within one wording a text follows its figures, so that a rerun equals a run.
ALTER TABLE "IssueOccurrence" ADD COLUMN "wordingVersion" VARCHAR;
ALTER TABLE "ShadowOccurrence" ADD COLUMN "wordingVersion" VARCHAR;
