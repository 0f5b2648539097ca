"""`fleexmon help`: show a command's help, or a page about a topic of all commands."""
