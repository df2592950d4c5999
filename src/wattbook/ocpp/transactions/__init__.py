"""Transactions from their first event to their end: what their events told in whichever order (`event_log`), and how
those end that cannot go on (`prepaid`), never began (`unbegun`) or are ended by nobody (`reaper`).
"""
