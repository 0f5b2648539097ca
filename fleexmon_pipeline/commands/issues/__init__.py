"""`fleexmon issues`: the list, one issue on a page, and what people do with them."""
