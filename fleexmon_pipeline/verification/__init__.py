"""Deployment verification: what a CI job's tests found becomes a line, issues with runbooks, and a verdict."""
