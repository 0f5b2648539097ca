"""Score how surprising each value of a series is, only from the values before it.

All series have the same configuration: lines per slot, errors, latencies, queue lengths, at any interval from a minute
to a day. There is no database and no rule here: values are arrays. Reasons and figures: docs/decisions/0028.
"""
