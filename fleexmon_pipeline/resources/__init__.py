"""Dagster resources: one file for each external system."""
