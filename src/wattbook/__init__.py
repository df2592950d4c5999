"""wattbook: charges electric vehicles and bills the energy.

Every kilowatt-hour measured once, billed once, to the right party, in either direction.
"""

__version__ = "0.1.0"
