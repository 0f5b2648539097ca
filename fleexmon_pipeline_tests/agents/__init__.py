"""The tools for agents, over both transports."""
