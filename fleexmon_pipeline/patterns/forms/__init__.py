"""What masks know by its form alone: frames of stacks, names of users."""
