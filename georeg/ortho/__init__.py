"""Sensor models (RPC), terrain, and how tie points correct the one by the other."""
