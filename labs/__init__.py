"""The labs, each run by ``python -m labs.NAME``."""
