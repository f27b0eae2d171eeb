"""Steps: later texts to the people of a run, each a run of its own."""
