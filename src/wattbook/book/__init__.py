"""The double-entry book whose commodities are energy and money.

Owns accounts, transfers, holds, periods and the proof. Decides no price and knows no session, house or partner: a room
above says which fact moves how much from where to where, and the book says whether that may be, once.

Invariants:
- an amount is a positive integer that moves from one credit account to one debit account of the same commodity;
- a transfer never changes; what was wrong is corrected by another transfer;
- its id is a UUIDv5 of the fact that caused it, so a fact posts once however often it arrives, and the same fact with
  another content is a conflict that is reported and never merged;
- each transfer names the one before it on both of its accounts, and continues its version and balance;
- a group posts whole or not at all; a floor holds after every group, held amounts counted as gone;
- a hold is captured (also in part), voided or expired, once;
- a route must allow the pair of purposes: a balanced posting can still be senseless;
- a closed period takes no posting: what comes late posts in the open one and names the period it corrects.
"""
