"""Money that comes in and goes back: wallets, payments of devices, servers and providers, and what providers report.

Owns the senders of payments and their keys, every payment, refund, dispute and payout that came to our knowledge, the
provider's events as they came, what is yet to be asked of a provider, what could not be taken in (quarantine), the
terms of an account as its customer may set them, and warnings of low balances. It does not decide what charging costs
(tariffs, charging), what a house is billed (household: a payment for charging at a house is handed on to it), what an
invoice says (billing), or whether a posting may be (book).

Invariants:
- a payment is known by its channel (the sender or provider) and the id it has there: the same again changes nothing,
  the same with another content is a conflict that is reported and kept, and what came first stands;
- a payment, refund, dispute and payout posts once, under a fact named after it, whatever order news of it comes in;
- what a channel has taken for us and not paid out is the balance of its clearing account: payments less refunds,
  disputes, fees and payouts;
- nothing is asked of a provider before it is written down what is asked; it is asked until it is answered, under a key
  that makes the same question twice one question;
- a wallet is never below its floor, which is zero less the credit its terms give, holds counted as gone;
- what cannot be taken in is answered with a reason and kept as it came.
"""
