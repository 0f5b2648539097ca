"""Candidate against baseline: does a node log what another one logs, pattern by pattern, after a deployment?"""
