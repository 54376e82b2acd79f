-- The products that have a score, each once with its tier: an answer may name no other.
SELECT DISTINCT ProductId, TyreScore
FROM `nexus_tyrescore.TyreScore_algorithm_output`
