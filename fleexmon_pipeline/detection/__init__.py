"""Rules and their evaluation: which rules fire in which slots."""
