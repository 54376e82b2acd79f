-- Products by tier and grade, each product once.
SELECT TyreScore, COALESCE(GRADE, 'none') AS GRADE, COUNT(DISTINCT ProductId) AS products
FROM `nexus_tyrescore.TyreScore_algorithm_output`
GROUP BY TyreScore, GRADE
ORDER BY TyreScore, GRADE
