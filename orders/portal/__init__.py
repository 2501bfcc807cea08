"""The customer's door: sign in with a phone, see one's own orders."""
