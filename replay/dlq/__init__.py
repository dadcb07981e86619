"""Dead letters: rejected records folded into cases with their history, and sent again."""
