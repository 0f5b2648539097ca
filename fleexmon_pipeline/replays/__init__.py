"""What changed rules, or the agent, would have made of stored history."""
