"""The monitor watched by itself: what is wrong with the pipeline becomes issues of a node named fleexmon."""
