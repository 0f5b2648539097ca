"""What is normal for the values in lines, pattern by pattern: how long something took, and that values vary."""
