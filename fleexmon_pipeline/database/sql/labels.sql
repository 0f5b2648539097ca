-- labels --
-- Under the id that each pattern stands for now: merges are followed to their end, so that an issue keeps its name when
-- its pattern merges.
WITH RECURSIVE root AS (
  SELECT l.pattern AS own, l.pattern AS id, 0 AS depth FROM "PatternLabel" l
  UNION ALL
  SELECT root.own, p."aliasOf", depth + 1 FROM root JOIN "LogPattern" p ON p.id = root.id
  WHERE p."aliasOf" IS NOT NULL AND depth < 50
)
SELECT DISTINCT ON (l.pattern) l.pattern AS own, root.id AS pattern, l.name, l.ignored, l.why, l.by, l.at,
  p.template AS template
FROM "PatternLabel" l JOIN root ON root.own = l.pattern LEFT JOIN "LogPattern" p ON p.id = root.id
ORDER BY l.pattern, root.depth DESC;

-- patterns_like --
-- The pattern that a prefix means; two rows are enough to know that it is ambiguous.
SELECT id, template FROM "LogPattern" WHERE id LIKE %(like)s ORDER BY id LIMIT 2;

-- label --
INSERT INTO "PatternLabel" AS l (pattern, name, ignored, why, by, at)
VALUES (%(pattern)s, %(name)s, COALESCE(%(ignored)s, false), %(why)s, %(by)s, %(now)s)
ON CONFLICT (pattern) DO UPDATE SET
  name = COALESCE(excluded.name, l.name), ignored = COALESCE(%(ignored)s, l.ignored), why = COALESCE(excluded.why, l.why),
  by = excluded.by, at = excluded.at;
