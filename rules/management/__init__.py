"""Management code of the rules app."""
