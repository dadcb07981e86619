"""`zhengdian verify`: what the pipeline wrote, against the raw events recomputed in SQL.

The SQL files beside this one are written from the public contract alone. They know nothing of the processors but the
rulesets' numbers and phrases, so a mistake there and a row touched by hand both show.
"""
