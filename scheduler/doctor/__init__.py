"""The doctor: what is in order, what is not, what to do. It only asks and reads; it sends no text and changes nothing.

`findings` has its results, `examination` the order of the checks; the other modules check one thing each.
"""
