"""What people are told: digests and alerts, in Markdown, HTML, JSON and on GitHub."""
