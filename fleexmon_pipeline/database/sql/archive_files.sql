-- make_staged --
-- The statements of this file are for DuckDB. Lines to write: those of the table, then those of the day's previous file.
CREATE TABLE staged (
  id UUID, timestamp TIMESTAMP, level VARCHAR, message VARCHAR, source VARCHAR, hostname VARCHAR, metadata VARCHAR,
  "createdAt" TIMESTAMP, "createdText" VARCHAR, hash VARCHAR
);

-- stage --
-- With one thread, since values contain line breaks.
INSERT INTO staged SELECT * FROM read_csv($file, auto_detect = false, header = false, delim = ',', quote = '"', escape = '"',
  nullstr = '', allow_quoted_nulls = false, parallel = false, max_line_size = $longest, buffer_size = $buffer, columns = {
    'id': 'UUID', 'timestamp': 'TIMESTAMP', 'level': 'VARCHAR', 'message': 'VARCHAR', 'source': 'VARCHAR',
    'hostname': 'VARCHAR', 'metadata': 'VARCHAR', 'createdAt': 'TIMESTAMP', 'createdText': 'VARCHAR', 'hash': 'VARCHAR'
  });

-- new_lines --
-- Lines of the table that the day's file does not have, or has with other contents.
SELECT count(*) FROM staged WHERE NOT EXISTS (
  SELECT 1 FROM earlier WHERE earlier.id = staged.id AND earlier.hash = staged.hash
);

-- make_earlier --
CREATE TABLE earlier AS SELECT id, lines_hash AS hash FROM (
  SELECT *, line_hash(id, timestamp, level, message, source, hostname, metadata, "createdAt", "createdText") AS lines_hash
  FROM read_parquet($file)
);

-- merge_earlier --
-- A line that is in both is written as in the table.
INSERT INTO staged
SELECT id, timestamp, level, message, source, hostname, metadata, "createdAt", "createdText",
  line_hash(id, timestamp, level, message, source, hostname, metadata, "createdAt", "createdText")
FROM read_parquet($file) WHERE id NOT IN (SELECT id FROM staged);

-- make_line_hash --
-- The same as PostgreSQL's function of that name.
CREATE MACRO line_hash(id, moment, level, message, source, hostname, metadata, created, created_text) AS md5(
  id::VARCHAR || strftime(moment, '%Y-%m-%dT%H:%M:%S.%f') || strlen(level) || ':' || level
  || strlen(message) || ':' || message || strlen(source) || ':' || source
  || strlen(hostname) || ':' || hostname || COALESCE(strlen(metadata) || ':' || metadata, '-')
  || COALESCE(strftime(created, '%Y-%m-%dT%H:%M:%S.%f'), created_text, '-')
);

-- written --
SELECT id, timestamp, level, message, source, hostname, metadata, "createdAt", "createdText"
FROM staged ORDER BY source, timestamp, id;

-- hours_of_staged --
SELECT date_trunc('hour', timestamp), count(*), md5(string_agg(hash, '' ORDER BY hash)) FROM staged GROUP BY 1 ORDER BY 1;

-- hours_of_file --
SELECT date_trunc('hour', timestamp), count(*), md5(string_agg(hash, '' ORDER BY hash))
FROM (
  SELECT timestamp,
    line_hash(id, timestamp, level, message, source, hostname, metadata, "createdAt", "createdText") AS hash
  FROM read_parquet($file)
) GROUP BY 1 ORDER BY 1;

-- hashes_of_hour --
SELECT id::VARCHAR, line_hash(id, timestamp, level, message, source, hostname, metadata, "createdAt", "createdText")
FROM read_parquet($file)
WHERE timestamp >= $since AND timestamp < $until AND ($ids IS NULL OR id IN (SELECT unnest($ids::UUID[])));

-- whole_lines --
-- All lines of an hour, or those with these ids, as they are restored into the table.
SELECT id::VARCHAR, timestamp::VARCHAR, level, message, source, hostname, metadata,
  COALESCE("createdAt"::VARCHAR, "createdText")
FROM read_parquet($file)
WHERE timestamp >= $since AND timestamp < $until AND ($ids IS NULL OR id IN (SELECT unnest($ids::UUID[])));

-- row_groups --
-- The number of rows of each, in order.
SELECT row_group_num_rows FROM parquet_metadata($file) WHERE column_id = 0 ORDER BY row_group_id;

-- messages --
-- In the order of the file; NULL for those that are too long for a filter.
SELECT CASE WHEN strlen(message) <= $longest THEN message END FROM read_parquet($file);

-- newest --
-- ASCII letters match in any case, as in the table. lower() lets more letters match, but is four times faster.
-- piece: a part of the text without letters, which needs neither; first, last: rows of the file that may match.
SELECT id, timestamp, source, hostname, level, left(message, $width), metadata
FROM read_parquet($file)
WHERE timestamp >= $since AND timestamp < $until
  AND ($first IS NULL OR file_row_number >= $first AND file_row_number < $last)
  AND ($before_at IS NULL OR timestamp < $before_at OR timestamp = $before_at AND id < $before_id::UUID)
  AND ($node IS NULL OR source = $node)
  AND ($levels IS NULL OR list_contains($levels, level))
  AND ($piece IS NULL OR contains(message, $piece))
  AND ($text IS NULL OR contains(lower(message), lower($text)) AND contains(
    translate(message, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz'),
    translate($text, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz')))
  AND ($in_metadata IS NULL OR contains(metadata, $in_metadata))
ORDER BY timestamp DESC, id DESC
LIMIT $limit;

-- of_ids --
SELECT id, timestamp, source, hostname, level, left(message, $width), metadata, length(message), "createdAt", "createdText"
FROM read_parquet($file)
WHERE id IN (SELECT unnest($ids::UUID[]));

-- make_anchors --
CREATE TEMP TABLE anchors (id UUID, timestamp TIMESTAMP, source VARCHAR);

-- near --
-- Ids of the lines of the same node directly before and after each anchor, within an hour. Lines are numbered in the order
-- of their node; an anchor has the number of the line before it.
WITH placed AS (
  SELECT id, timestamp, source, false AS mark FROM read_parquet($file)
  WHERE source IN (SELECT source FROM anchors)
    AND timestamp >= $since AND timestamp <= $until
  UNION ALL
  SELECT id, timestamp, source, true FROM anchors
), numbered AS (
  SELECT *, count(*) FILTER (WHERE NOT mark) OVER (PARTITION BY source ORDER BY timestamp, id, mark ROWS UNBOUNDED PRECEDING)
    AS number
  FROM placed
)
SELECT a.id, n.id
FROM numbered AS a JOIN numbered AS n
  ON n.source = a.source AND n.number BETWEEN a.number - $lines - 1 AND a.number + $lines + 1
WHERE a.mark AND NOT n.mark AND n.id <> a.id
  AND n.timestamp >= a.timestamp - INTERVAL 1 HOUR AND n.timestamp < a.timestamp + INTERVAL 1 HOUR;

-- texts --
-- Lines of a window, oldest first, for rules that search for texts. The expression matches all lines that any of them may match.
SELECT id, timestamp, source, level, message
FROM read_parquet($file)
WHERE timestamp >= $since AND timestamp < $until AND ($expression IS NULL OR regexp_matches(message, $expression))
ORDER BY timestamp, id;

-- counts --
-- Lines by slot and node, without those that are in the table.
SELECT time_bucket(INTERVAL 5 MINUTE, timestamp), source, count(*)
FROM read_parquet($file)
WHERE timestamp >= $since AND timestamp < $until AND id NOT IN (SELECT unnest($ids::UUID[]))
GROUP BY 1, 2;

-- lines_of_slot --
-- As counting reads them from the table, with the whole record.
SELECT id::VARCHAR, epoch_us(timestamp), left(trim(level), 32), source, left(message, $longest), metadata
FROM read_parquet($file)
WHERE timestamp >= $since AND timestamp < $until
ORDER BY timestamp DESC, id DESC;

-- in_trouble --
-- Like the statement `lines_in_trouble` of comparison.sql.
SELECT id, timestamp, source, level, message
FROM read_parquet($file)
WHERE timestamp >= $since AND timestamp < $until AND lower(level) NOT IN ('info', 'debug', 'trace')
ORDER BY timestamp, id LIMIT $limit;

-- exported --
SELECT id::VARCHAR, strftime(timestamp, '%Y-%m-%dT%H:%M:%S.%fZ'), level, message, source, hostname, metadata,
  COALESCE(strftime("createdAt", '%Y-%m-%dT%H:%M:%S.%fZ'), "createdText")
FROM read_parquet($file)
WHERE timestamp >= $since AND timestamp < $until AND ($node IS NULL OR source = $node)
ORDER BY timestamp, id;
