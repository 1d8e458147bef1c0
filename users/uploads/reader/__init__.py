"""The program that reads uploaded files: a process of its own with little memory, little time and
the standard library alone. It prints lines of JSON and knows neither Django nor the database."""
