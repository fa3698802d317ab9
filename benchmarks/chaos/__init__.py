"""Random maps under random faults, and an account of every call.

``make chaos`` runs ``python -m chaos``; see `__main__`.
"""
