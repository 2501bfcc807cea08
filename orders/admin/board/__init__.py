"""The quarantine board: saved views, rows, the pane that explains one hold, and the acts on it."""
