"""A GenAI agent evaluates what is new or unusual: evidence, prompt, answer, budget, ledger."""
