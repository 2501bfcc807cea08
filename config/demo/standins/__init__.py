"""Small stand-ins for a warehouse system, an ERP and a CRM that receive the feed in the demo.

They run as one process of their own, `python -m config.demo.standins HOME`, and know nothing of
Sluice but its documented HTTP interfaces.
"""
