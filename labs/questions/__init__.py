"""The texts of the questions, one TOML file per lab."""
