"""Ready-made mapping files and chart-of-accounts templates, as package data."""
