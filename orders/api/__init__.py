"""HTTP door of the orders app."""
