"""Charging at a house that was paid elsewhere: what payment devices and servers say of it (`payments`, `charges`), how
much of it the meters of the house have seen (`exceptions`), and what the house answers for then (`assessment`).
"""
