-- How many rows, rows without an id, and different ids the promotions table has.

SELECT
  COUNT(*) AS promotions,
  COUNTIF(promotionid IS NULL) AS null_ids,
  COUNT(DISTINCT promotionid) AS distinct_ids
FROM `dw_core.d_promotion_3_0`;
