"""Have GenAI explain incidents: one case for each incident, and a checked answer."""
