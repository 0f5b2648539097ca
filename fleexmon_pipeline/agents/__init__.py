"""What agents may ask: read-only tools over MCP, each answer small, redacted, marked and recorded.

The tools read what pages and commands read. How a call runs: `calls.py`; how it arrives: `server.py`.
"""
