"""What people wrote: stored, acted upon, answered."""
