"""From an order document to rows: its shape, its checks, its facts and its storage."""
