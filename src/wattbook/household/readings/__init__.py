"""What meters measured: how it comes in (`intake`), where it lies (`intervals`), what was wrong with it and what stands
in for it (`vee`), and what it sums to (`slot_sums`, `demand`).

Nothing here knows of a price or a payment; a reading that changes says only which bills have to be looked at again
(`reviews`).
"""
