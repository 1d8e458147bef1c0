"""Taking over a CoAI deployment with nothing lost: ``manage.py import_coai``.

``sources`` reads a consistent snapshot, ``values`` and ``rows`` judge it (pure), ``staging`` and
``planning`` bring it together in PostgreSQL, ``merging`` decides what a person's facts change here
(pure), ``loading`` and ``keeping`` write, ``reports`` accounts for every row, ``running`` calls
them in order.
"""
