"""The bills of a whole utility at once, chunk by chunk, each chunk one transaction. A bill of a run is the bill that
`bills.billing` would issue, to the coin.
"""
