"""Return requests: recorded against delivered lines, decided, received, back in stock."""
