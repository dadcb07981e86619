"""The files of the pages: a package, so that they are part of the wheel."""
