"""Users from a file: an uploaded CSV or Excel file is read, mapped, tried, and then written row by
row. The takeover of a whole CoAI deployment is another room (``users.imports``)."""
