-- What a call cost at the prices of its day; NULL where none were told. A replay asks about windows that were judged
-- before: its answers are compared, and never become issues.
ALTER TABLE "GenAICall" ADD COLUMN cost NUMERIC;
ALTER TABLE "GenAICall" ADD COLUMN replay BOOLEAN NOT NULL DEFAULT false;

-- Similar resolved issues are found by words. The expression is that of the query (similar_issues), to the letter.
CREATE INDEX "LogIssue_words" ON "LogIssue"
USING gin (to_tsvector('english', left(title || ' ' || description, 4000))) WHERE status = 'resolved';
