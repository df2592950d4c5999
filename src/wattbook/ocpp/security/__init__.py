"""Who a station is, and how it proves it: OCPP's security profiles 0 to 3.

    0  nothing is proved      1  a password      2  TLS and a password      3  TLS and a certificate of its own

Owns passwords (as salted hashes) and their rotation, the way to a higher profile, the local certificate authority, what
it issued, renewed and revoked, the answers to OCSP questions, the TLS contexts, what was refused at the door
(`security_events`), the keys that stations and meters sign with, and what became of their signatures.

Does not decide which stations exist or work (`registry`), nor what they may say once they are in. What a station tells
of its own security (SecurityEventNotification) is a message like any other and not kept here.

Invariants: the door decides from memory, at once, and fails closed. A password is bytes, never text, and is kept only
as a hash. During a rotation the old and the new password are valid until the station has come with the new one. A
certificate opens the door for the station it names and for no other. The authority's keys lie in files that only their
owner can read, never in the database.
"""
