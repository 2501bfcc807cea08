"""Migrations of the rules app."""
