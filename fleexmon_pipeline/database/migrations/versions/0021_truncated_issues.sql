-- TRUNCATE fires no trigger of rows: incidents of issues that another program removed so would stay open for ever.
CREATE FUNCTION mark_all_incidents() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO "IncidentMark" (issue) SELECT id FROM "Incident" ORDER BY id;
  RETURN NULL;
END
$$;
CREATE TRIGGER "LogIssue_truncated_marks_incidents" AFTER TRUNCATE ON "LogIssue"
FOR EACH STATEMENT EXECUTE FUNCTION mark_all_incidents();
