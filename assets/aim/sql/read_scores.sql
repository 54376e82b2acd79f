-- What the embedded ranker reads of the scores.
SELECT
  ProductId, TyreScore, GRADE, BRAND, Model, SEASONAL_PERFORMANCE, RunflatStatus, Vehicle, SIZE, PRICE,
  PRICEFLUCTUATION, Units, GoldilocksZone, BudgetShare, RunflatShare
FROM `nexus_tyrescore.TyreScore_algorithm_output`
