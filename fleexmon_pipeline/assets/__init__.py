"""The seven stages as software-defined assets, a file each: which window, what a person sees.

What they do: the packages beside this one.
"""
