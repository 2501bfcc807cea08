"""HTTP door of the rules app."""
