"""The laws of taskpar as properties: parallel equals serial, on every executor."""
