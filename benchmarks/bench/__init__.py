"""How fast: every workload for taskpar, for its peers, and for a hand-written limit.

``workloads`` says what is run, ``pools`` by whom, ``limit`` what no library can be faster than;
``cell`` runs one of them once, ``turns`` all of them in turn; ``figures`` compares, ``report`` and
``plots`` show.
"""
