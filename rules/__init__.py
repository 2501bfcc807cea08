"""Rules: facts in, decisions out; the owner of the facts applies what was decided."""
