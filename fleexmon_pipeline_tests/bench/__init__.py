"""What the product costs: `make bench`, or `python -m fleexmon_pipeline_tests.bench --only collection --json out.json`.

A module a measurement; each returns a table, which `__main__` prints and writes as JSON. Everything runs against a
PostgreSQL of the measurement's own, with the embedded default's settings (fsync on), never against DATABASE_URL. The
numbers compare one commit with another on one machine; nothing passes or fails by them. That the work was done is
checked: a measurement counts the rows that it asked for.
"""
