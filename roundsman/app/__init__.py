"""The composition root: the only place, with the command line, that reads settings and knows every part."""
