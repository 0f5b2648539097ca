"""`fleexmon mcp`: the tools for agents."""
