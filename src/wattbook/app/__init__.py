"""The composition root: which parts make a running wattbook, and in which order they start and stop.

`databases` opens a deployment's database and proves it, `serving` puts everything into one process, `gateways` opens
the stations' doors, `doors` the other ones, and `chores` is the work that comes round. Nothing is decided here.
"""
