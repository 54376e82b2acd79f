-- The size texts of the tyre feed, trimmed, each once; the keys of sizes are worked out from them.
SELECT DISTINCT TRIM(Size) AS Size
FROM `nexus_tyrescore.TyreScore`
WHERE TRIM(Size) != ''
