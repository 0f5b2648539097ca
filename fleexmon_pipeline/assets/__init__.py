"""The eight stages as software-defined assets, one file each: which window they process, and what the UI shows.

The work itself is in the packages beside this one.
"""
