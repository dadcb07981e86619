DROP VIEW IF EXISTS qc_samples;
DROP TABLE IF EXISTS qc_samples_raw;
