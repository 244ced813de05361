"""Vendors on this machine: real HTTP, books and stock of their own, their rules, their faults. No connector is imported here."""
