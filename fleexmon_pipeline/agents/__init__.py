"""Read-only tools for agents over MCP. Each answer is small, redacted, marked as data, and recorded.

The tools share their queries with pages and commands. How a call runs: `calls.py`; how it arrives: `server.py`.
"""
