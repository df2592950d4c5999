"""What people of a house look at: its use, its tiers, what the month will come to; and what is looked at for them.

An account only reads. What looks at houses while a deployment serves changes no more than a look finds: notices, work
for a person, and bills whose readings or payments have changed.
"""
