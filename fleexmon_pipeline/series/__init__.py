"""How surprising each value of one series is, judged by nothing but the values before it.

One configuration for every series: lines a slot, errors, latencies, queue lengths, at any interval from a minute to a
day. No database, no rules: values come in as arrays. Why it is done this way, with figures: docs/decisions/0028.
"""
