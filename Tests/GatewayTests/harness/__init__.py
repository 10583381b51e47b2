"""What the end-to-end tests are made of: a PKI, an identity provider, backends, raw clients and the gateway itself.

Everything is made anew for each run, listens on loopback only, and is stopped by the one that started it.
"""
