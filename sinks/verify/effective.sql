-- uses: messages
-- Who spoke effectively to the buyer at a moment; of several at one moment the last.
SELECT buyer, at, argMax(agent, (id, source)) AS agent FROM messages WHERE effective GROUP BY buyer, at
