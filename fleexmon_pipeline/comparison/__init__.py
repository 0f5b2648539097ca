"""Compare a candidate with a reference node after a deployment: does it log the same patterns, as often?"""
