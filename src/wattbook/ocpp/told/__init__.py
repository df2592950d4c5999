"""What stations are told of the house's own accord, so that they do right without asking: tariffs and costs, the tokens
and rules for the time without a connection, and schedules for what they charge.
"""
