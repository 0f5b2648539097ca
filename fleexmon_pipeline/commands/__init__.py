"""What the `fleexmon` command does, a file a command. Its words and options: `command_line/`."""
