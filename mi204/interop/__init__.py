"""Rooms that need a package of their own, imported only where they are used."""
