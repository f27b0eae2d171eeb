"""What people wrote: taken in, acted upon, answered."""
