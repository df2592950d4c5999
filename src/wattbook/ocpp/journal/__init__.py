"""What was said, for people who look: every frame as it was on the wire (`frames`), those that could not be accepted
(`rejections`), and what no other table has a place for (`notices`). Never a source of money.
"""
