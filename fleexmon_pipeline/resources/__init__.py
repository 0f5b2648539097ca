"""The outside systems that runs reach, a file each."""
