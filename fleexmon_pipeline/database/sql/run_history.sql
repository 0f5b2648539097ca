-- has_events --
SELECT to_regclass('event_logs') IS NOT NULL;

-- prune --
-- Dagster reads partition status from ASSET_MATERIALIZATION rows: the newest of each asset and partition stays.
DELETE FROM event_logs WHERE id IN (
  SELECT old.id FROM event_logs AS old
  WHERE old.timestamp < %(before)s
    AND (
      old.dagster_event_type IS NULL
      OR old.dagster_event_type NOT IN (
        'ASSET_MATERIALIZATION', 'ASSET_MATERIALIZATION_PLANNED', 'ASSET_CHECK_EVALUATION', 'ASSET_OBSERVATION',
        'RUN_START', 'RUN_SUCCESS', 'RUN_FAILURE', 'RUN_CANCELED'
      )
      OR (
        old.dagster_event_type = 'ASSET_MATERIALIZATION'
        AND EXISTS (
          SELECT FROM event_logs AS newer
          WHERE newer.asset_key = old.asset_key AND newer.partition IS NOT DISTINCT FROM old.partition
            AND newer.dagster_event_type = 'ASSET_MATERIALIZATION' AND newer.id > old.id
        )
      )
    )
  LIMIT %(batch)s
);

-- delete_runs --
-- Deletes, among the next runs that ended before then, those that show nothing in the UI any more, with all their rows. These
-- stay: the newest materialization of a partition, its newest attempt if nothing came after it, the newest result of a
-- check, and all runs of an unfinished backfill. Of hours before `first_hour`, which the UI no longer lists, only the newest
-- of the asset.
WITH page AS (
  SELECT id, run_id FROM runs
  WHERE id > %(after)s AND status IN ('SUCCESS', 'FAILURE', 'CANCELED')
    AND COALESCE(to_timestamp(end_time) AT TIME ZONE 'UTC', update_timestamp) < %(before)s
  ORDER BY id LIMIT %(batch)s
), results AS (
  SELECT DISTINCT ON (asset_key, check_name) run_id FROM asset_check_executions ORDER BY asset_key, check_name, id DESC
), gone AS (
  SELECT run_id FROM page
  WHERE NOT EXISTS (SELECT FROM results WHERE results.run_id = page.run_id)
    AND NOT EXISTS (
      SELECT FROM run_tags JOIN bulk_actions ON bulk_actions.key = run_tags.value
      WHERE run_tags.run_id = page.run_id AND run_tags.key = 'dagster/backfill'
        AND bulk_actions.status IN ('REQUESTED', 'CANCELING')
    )
    AND NOT EXISTS (
      SELECT FROM event_logs AS own
      WHERE own.run_id = page.run_id
        AND own.dagster_event_type IN ('ASSET_MATERIALIZATION', 'ASSET_MATERIALIZATION_PLANNED')
        AND NOT EXISTS (
          SELECT FROM event_logs AS newer
          WHERE newer.asset_key = own.asset_key AND newer.partition = own.partition AND newer.id > own.id
            AND newer.dagster_event_type IN ('ASSET_MATERIALIZATION', own.dagster_event_type)
        )
        AND NOT (
          own.partition ~ '^\d{4}-\d\d-\d\d-\d\d:00$' AND own.partition < %(first_hour)s
          AND EXISTS (
            SELECT FROM event_logs AS newer
            WHERE newer.asset_key = own.asset_key AND newer.id > own.id
              AND newer.dagster_event_type IN ('ASSET_MATERIALIZATION', own.dagster_event_type)
          )
        )
        AND (own.partition IS NOT NULL OR NOT EXISTS (
          SELECT FROM event_logs AS newer
          WHERE newer.asset_key = own.asset_key AND newer.partition IS NULL AND newer.id > own.id
            AND newer.dagster_event_type IN ('ASSET_MATERIALIZATION', own.dagster_event_type)
        ))
    )
), events AS (
  DELETE FROM event_logs WHERE run_id IN (SELECT run_id FROM gone) RETURNING 1
), checks AS (
  DELETE FROM asset_check_executions WHERE run_id IN (SELECT run_id FROM gone)
), deleted AS (
  DELETE FROM runs WHERE run_id IN (SELECT run_id FROM gone) RETURNING 1
)
SELECT max(id), (SELECT count(*) FROM deleted), (SELECT count(*) FROM events) FROM page;

-- orphans --
-- Runs that schedules and sensors requested and that have not ended.
SELECT runs.run_id FROM runs JOIN run_tags USING (run_id)
WHERE run_tags.key = 'fleexmon/tick' AND runs.status IN ('STARTING', 'STARTED', 'CANCELING');

-- has_heartbeats --
SELECT to_regclass('daemon_heartbeats') IS NOT NULL;

-- heartbeat --
SELECT max(timestamp) FROM daemon_heartbeats WHERE daemon_type = 'SCHEDULER';

-- has_schedules --
SELECT to_regclass('instigators') IS NOT NULL AND to_regclass('job_ticks') IS NOT NULL;

-- schedules --
-- In the order of their names, each with its last tick. Dagster calls a schedule or sensor an instigator.
SELECT COALESCE(own.body -> 'origin' ->> 'job_name', own.body -> 'origin' ->> 'instigator_name') AS name,
  COALESCE(own.body -> 'job_specific_data' ->> 'cron_schedule', own.body -> 'instigator_data' ->> 'cron_schedule') AS cron,
  own.status, tick.timestamp, tick.status
FROM (SELECT selector_id, status, instigator_body::json AS body FROM instigators WHERE instigator_type = 'SCHEDULE') AS own
LEFT JOIN LATERAL (
  SELECT timestamp, status FROM job_ticks WHERE selector_id = own.selector_id ORDER BY timestamp DESC LIMIT 1
) AS tick ON true
ORDER BY 1;

-- first_partitions --
-- Uses idx_events_by_asset_partition: one probe per asset.
SELECT asset_key, (
  SELECT min(partition) FROM event_logs
  WHERE event_logs.asset_key = assets.asset_key AND dagster_event_type = 'ASSET_MATERIALIZATION'
    AND partition IS NOT NULL
) AS partition
FROM asset_keys AS assets;

-- oldest_backfill --
SELECT min(timestamp) FROM bulk_actions WHERE status IN ('REQUESTED', 'CANCELING');
