"""GenAI gets the incident: one case each, and what is accepted of its answer."""
