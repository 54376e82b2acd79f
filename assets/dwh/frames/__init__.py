"""PySpark frames of dwh: the rules of the plain modules beside this package, for whole runs on any engine.

    raw_lines   raw objects as finished lines of transform outputs and of dropped records
    schemas     the columns of image rows; columns: how a configuration names them
    instants    texts as instants
    batches     everything that a filter run reads, as one frame; dedup: which of its rows stay
    promotions  extracted promotions as rows of the warehouse's table, and one row for each promotion

What belongs here: expressions of the DataFrame API that all engines run alike, pyspark imported inside
functions. What does not: reading and writing (`stages`), sessions (`resources.spark`), and the rules in plain
Python, which the tests hold against every engine.
"""
