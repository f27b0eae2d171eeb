"""The send protocol: slot, intent, one POST, outcome."""
