-- stored --
SELECT "madeOf" AS made_of, links FROM "NodeLinks" WHERE day = %(day)s;

-- newest --
SELECT links FROM "NodeLinks" ORDER BY day DESC LIMIT 1;

-- counts --
-- Lines, warnings and errors by slot, of the nodes that have errors or warnings in most slots.
SELECT node, array_agg(slot_number) AS slots, array_agg(lines) AS lines, array_agg(trouble) AS trouble
FROM (
  SELECT node, (date_part('epoch', slot) / 300)::bigint AS slot_number, sum(count)::bigint AS lines,
    COALESCE(sum(count) FILTER (WHERE level = ANY (%(trouble)s::varchar[])), 0)::bigint AS trouble
  FROM "LogPatternCount"
  WHERE slot >= %(since)s AND slot < %(until)s
  GROUP BY node, slot
) AS by_slot
GROUP BY node
ORDER BY count(*) FILTER (WHERE trouble > 0) DESC, node
LIMIT %(limit)s;

-- keep --
INSERT INTO "NodeLinks" (day, "madeOf", links) VALUES (%(day)s, %(made_of)s, %(links)s)
ON CONFLICT (day) DO UPDATE SET "madeOf" = EXCLUDED."madeOf", links = EXCLUDED.links;

-- mark_issues --
-- Marks the issues that began on a day, since their grouping into incidents may now differ.
INSERT INTO "IncidentMark" (issue)
SELECT id FROM "LogIssue"
WHERE "detectedAt" >= %(since)s::timestamp + interval '5 minutes'
  AND "detectedAt" < %(until)s::timestamp + interval '5 minutes'
ORDER BY id;
