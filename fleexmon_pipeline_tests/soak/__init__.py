"""Whether collection loses nothing and doubles nothing: days of faults, then every line compared.

Run: `python -m fleexmon_pipeline_tests.soak simulate|live`. `simulate` drives the stage's function through simulated
time, `live` watches the real processes for as long as it is told. A quick one is in the test suite.
"""
