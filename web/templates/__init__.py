"""Pages that are rendered on the server (a package, so that a wheel has them)."""
