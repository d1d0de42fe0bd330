"""``python -m samespace.demo``: the demo of the repository, and the same on a file of your own."""
