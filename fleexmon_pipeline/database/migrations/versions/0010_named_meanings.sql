-- What a value means, written down once. Plain SQL functions: the planner puts their body in their place, so a query costs
-- what it did with the expression written out, and "IssueEpisode_subject" is still used.

-- Whether all lines of a slot are there: complete, or empty because the node had none. partial and missing are gaps.
CREATE FUNCTION slot_is_known(status text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT status IN ('complete', 'empty') $$;

-- A fingerprint is rule:subject, and no rule's name has a colon.
CREATE FUNCTION rule_of(fingerprint text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT split_part(fingerprint, ':', 1) $$;

CREATE FUNCTION subject_of(fingerprint text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT substr(fingerprint, strpos(fingerprint, ':') + 1) $$;
