"""Delivers pending changes to endpoints: claim, send outside any transaction, complete."""
