"""What the gateway shows about messages: storing it, and acting on it."""
