"""Candidate against baseline: does one node say the same as another, pattern by pattern, after a deployment?"""
