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

-- orphans --
-- Runs that schedules and sensors requested and that have not ended.
SELECT runs.run_id FROM runs JOIN run_tags USING (run_id)
WHERE run_tags.key = 'fleexmon/tick' AND runs.status IN ('STARTING', 'STARTED', 'CANCELING');
