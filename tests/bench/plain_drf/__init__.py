"""The yardstick: the same orders through a Django REST framework view as its guide writes it."""
