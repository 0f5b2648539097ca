"""When something happened: a time in any logger's form becomes UTC with microseconds, or is refused with a reason."""
