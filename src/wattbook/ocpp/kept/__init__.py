"""What stations keep, as far as they told or agreed: settings, reservations, profiles, lists, tariffs.

A station is asked and told by commands; its answers, and what it reports by itself, end here, a module a kind. What a
station keeps may change without a word, so each row says when it was told; nothing here is used to refuse a station
anything.
"""
