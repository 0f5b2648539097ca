"""Deployment verification: the test results of a CI job become a line, issues with runbooks, and a verdict."""
