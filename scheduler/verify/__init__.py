"""An independent reckoning: what a campaign promised, worked out again from rows, requests, the audit and the gateway.

It shares words with what it judges (states, codes, tables), and no arithmetic: an import contract keeps it so.
"""
