"""Single values of the campaign file: durations, rates, addresses, phones."""
