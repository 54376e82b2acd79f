-- Ends in an error unless the table has every staged promotion of a load once, and not older than staged.
-- Needs both tables, @load_id, and in @promotions how many were staged. Runs before the merge is committed.

WITH
proofs AS (
  SELECT
    COUNTIF(
      stored.promotionid IS NOT NULL
      AND (staged.eventupdtime IS NULL OR stored.eventupdtime >= staged.eventupdtime)
    ) AS rows_not_older
  FROM `dw_core.d_promotion_3_0_staged` AS staged
  LEFT JOIN `dw_core.d_promotion_3_0` AS stored ON stored.promotionid = staged.promotionid
  WHERE staged.load_id = @load_id
  GROUP BY staged.promotionid
)
SELECT
  IF(
    COUNTIF(rows_not_older = 1) = @promotions,
    @promotions,
    ERROR('Read-back failed: a staged promotion is not in the table once, or is older there than staged')
  ) AS proven
FROM proofs;
