"""The rows behind the figures of a scorecard, as SQL (docs/scorecards.md has their meaning).

A file is a SELECT of one shop and period: `agent`, `at` and `until` in ms (`until` NULL where there is none), `buyer`,
`ref`: the id of what the row is, `order_id`, `what`, and the numbers that `sinks.scorecard_model` adds up. What must be
recomputed from the raw events builds on the files of sinks/verify, where whom an order is credited to is decided.
"""
