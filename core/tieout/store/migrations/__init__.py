"""Migrations, run by `Store.upgrade`; one file in `versions` per change of the schema."""
