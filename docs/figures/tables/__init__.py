"""The tables of the documentation: a module for each subject, a function for each table."""
