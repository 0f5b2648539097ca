"""Watches a blue/green stack: logs in, issues and digests out. Where things live: docs/developers.md."""
