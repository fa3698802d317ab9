"""What becomes of eight calls when one of them misbehaves: the parts of ``faults_table.py``.

``tasks`` misbehave; ``peers`` open each library by its own means; ``cell`` runs one fault on one of
them, in a process of its own; ``run`` starts the cells and bounds their time; ``verdict`` finds the
words; ``table`` writes them down.
"""
