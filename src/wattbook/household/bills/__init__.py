"""Bills of houses and the notes that correct them.

Which days one is for (`dues`), how it is drafted, issued and posted, what changes it afterwards (`corrections` by a
payment, `reassessment` by a reading), and when a period is closed.
"""
