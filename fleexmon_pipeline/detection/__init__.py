"""Rules become occurrences, occurrences become issues."""
