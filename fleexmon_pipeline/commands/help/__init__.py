"""`fleexmon help`: a command's help, or a page about what all commands share."""
