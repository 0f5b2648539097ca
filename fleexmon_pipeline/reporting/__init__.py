"""Reports for people: digests and alerts, as Markdown, HTML, JSON and GitHub issues."""
