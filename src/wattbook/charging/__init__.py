"""Charging sessions: who may draw or feed in where, what it costs while it runs, and what is booked when it ends.

Owns clearance, sessions, meter samples of sessions, running cost and progress, charge detail records. Does not decide
prices (tariffs), identities and allocations (registry) or what a posting may be (book), and speaks no protocol:
stations reach it through `ocpp`, partners through `roaming`.

Invariants: nothing is cleared without a healthy station, a valid token, enough balance, a supplier for the unit and a
network operator for the meter, and a refusal says which was missing; a session ends once, and its energy and money
post in one group; a session is priced by the tariff shown when it began; what came in is never dropped, at worst it is
booked as an exception.
"""
