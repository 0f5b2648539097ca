"""A fuzzer of what meets hostile bytes and texts: `python -m fleexmon_pipeline_tests.fuzz --help`."""
