"""The URLs of the pages about people, one module for each subject; coai_admin.urls puts them
together."""
