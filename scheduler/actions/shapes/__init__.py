"""What the answers of actions look like, as `scheduler/report/shown/shapes.py` has it for reports."""
