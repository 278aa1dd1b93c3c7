"""Reports: the data, the views of it, and the files written."""
