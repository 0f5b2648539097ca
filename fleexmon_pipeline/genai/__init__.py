"""Lines become patterns and counts; GenAI judges what is new or unusual."""
