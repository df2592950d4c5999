"""What people see in a browser: the overview of an operator, and the account of a house.

Owns how things look and read: words, units, colours, the pace of refreshing. Decides nothing and changes nothing; all
that is shown comes from reads of the rooms below.

Invariants: however many browsers look, the database is asked once an interval; every list has a limit, and says so when
it is reached; what a station or a partner wrote is shown as text, never as markup; a token is shown by its last
characters only, because who knows the whole of it can charge on it.
"""

from wattbook.console.household import mount_household
from wattbook.console.overview import mount_overview

__all__ = ["mount_household", "mount_overview"]
