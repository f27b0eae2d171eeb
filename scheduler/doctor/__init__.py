"""The doctor: what holds, what does not, what to do. It asks, reads and looks; it sends no text and changes nothing.

`findings` is what it says, `examination` the order in which it looks; the other modules look at one thing each.
"""
