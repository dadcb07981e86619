"""Two results of a replay compared: `read.py` reads, `compare.py` compares, `table.py`, `report.py`, `as_json.py` show."""
