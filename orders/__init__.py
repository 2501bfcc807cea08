"""Customers, catalogue, stock, orders, shipments and holds, and every act on them."""
