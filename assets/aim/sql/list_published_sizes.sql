-- The size texts of all published lists, trimmed, each once; the keys of sizes are worked out from them.
SELECT TRIM(Size) AS Size FROM `AIM.AIMData_history` WHERE TRIM(Size) != ''
UNION DISTINCT
SELECT TRIM(Size) AS Size FROM `AIM.AIMData` WHERE TRIM(Size) != ''
