"""What is recognised by its form: stack frames, names of users, durations."""
