"""Addresses: who may have which, changing one with the old address told, proving one."""
