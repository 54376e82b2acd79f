-- The score of every tyre of the feed, with what is bought and paid for every vehicle that it was sold to.
--
-- Needs both feeds, the catalogue, the influence table, the size keys of the feed's trimmed sizes, and the
-- views counted for the run date. Replaces all rows of TyreScore_algorithm_output: one per product and
-- vehicle that it was sold to, and one without a vehicle for a product without sales.
--
-- What is rounded passes through NUMERIC first: 1.005 is a tie and goes up, but as a FLOAT64 it lies below
-- the tie and would go down. Its 9 decimals also swallow what the order of adding FLOAT64s changes.
-- SAFE_CAST, because what needs more than 29 digits is no price, and such a cell must not end the run.

DELETE FROM `nexus_tyrescore.TyreScore_algorithm_output` WHERE TRUE;

INSERT INTO `nexus_tyrescore.TyreScore_algorithm_output` (
  TyreScore, ProductId, GRADE, BRAND, Model, WET_GRIP, FUEL, NOISE_REDUCTION, SEASONAL_PERFORMANCE, OE,
  AWARD_SCORE, RunflatStatus, Segment, PRICE_pct, GRADE_pct, FUEL_pct, WET_GRIP_pct, AWARD_SCORE_pct, Vehicle,
  SIZE, PRICE, OFFER, PRICEFLUCTUATION, Orders, Units, GoldilocksZone, PremiumShare, MidRangeShare,
  BudgetShare, RunflatShare, SalesStatus, PRODUCTLISTVIEWS, CLICKSTREAMRATE
)
WITH
-- The labels of a product are those of its last row, even where that row has none.
labels AS (
  SELECT
    ProductId,
    NULLIF(TRIM(Grade), '') AS grade,
    NULLIF(TRIM(Size), '') AS size,
    NULLIF(TRIM(Manufacturer), '') AS manufacturer,
    NULLIF(TRIM(Model), '') AS model,
    NULLIF(TRIM(WetGrip), '') AS wet_grip,
    NULLIF(TRIM(Fuel), '') AS fuel,
    NULLIF(TRIM(Noise), '') AS noise,
    NULLIF(TRIM(Season), '') AS season,
    NULLIF(TRIM(Offer), '') AS offer,
    NULLIF(TRIM(OE), '') AS oe,
    NULLIF(TRIM(AwardScore), '') AS award_score
  FROM `nexus_tyrescore.TyreScore`
  WHERE TRUE
  QUALIFY ROW_NUMBER() OVER (PARTITION BY ProductId ORDER BY row_number DESC) = 1
),

-- Its prices are the means of all its rows; a previous price of 0 is none.
mean_prices AS (
  SELECT
    ProductId,
    AVG(Price) AS price,
    AVG(NULLIF(PrevPrice7, 0)) AS price_7_days_ago,
    AVG(NULLIF(PrevPrice28, 0)) AS price_28_days_ago
  FROM `nexus_tyrescore.TyreScore`
  GROUP BY ProductId
),

-- In the cloud a product may stand in the catalogue twice: one row that calls it runflat is enough.
runflats AS (
  SELECT DISTINCT SKU FROM `Reference_Tables.Product_catalogue` WHERE UPPER(TRIM(run_flat)) = 'RUNFLAT'
),

-- From here on, a product without wet grip does not exist: not in ranks, zones or shares.
products AS (
  SELECT
    labels.*,
    CAST(labels.ProductId AS STRING) AS product_text,
    UPPER(labels.grade) AS grade_key,
    size_keys.size_key,
    runflats.SKU IS NOT NULL AS is_runflat,
    ROUND(SAFE_CAST(mean_prices.price AS NUMERIC), 2) AS price,
    ROUND(SAFE_CAST(SAFE_DIVIDE(
      mean_prices.price,
      COALESCE((price_7_days_ago + price_28_days_ago) / 2, price_7_days_ago, price_28_days_ago)
    ) AS NUMERIC), 2) AS price_fluctuation
  FROM labels
  JOIN mean_prices ON mean_prices.ProductId = labels.ProductId
  LEFT JOIN runflats ON runflats.SKU = labels.ProductId
  LEFT JOIN `AIM.aim_size_keys` AS size_keys ON size_keys.Size = labels.size
  WHERE labels.wet_grip IS NOT NULL
),

-- TyreRank in hundredths, so that no float noise orders what ties. Reviews have no source yet.
tyre_ranks AS (
  SELECT
    ProductId,
    IF(UPPER(award_score) = 'AWARD', 1000, 0)
    + CASE UPPER(fuel)
      WHEN 'A' THEN 1000 WHEN 'B' THEN 900 WHEN 'C' THEN 500 WHEN 'D' THEN 250 WHEN 'E' THEN 100 ELSE 0
    END
    + CASE REGEXP_EXTRACT(UPPER(noise), r'-\s*([A-C])$')
      WHEN 'A' THEN 100 WHEN 'B' THEN 50 WHEN 'C' THEN 10 ELSE 0
    END
    + IF(UPPER(oe) = 'YES', 1000, 0)
    + CASE UPPER(wet_grip)
      WHEN 'A' THEN 500 WHEN 'B' THEN 450 WHEN 'C' THEN 250 WHEN 'D' THEN 125 WHEN 'E' THEN 50 ELSE 0
    END AS tyre_rank
  FROM products
),

places AS (
  SELECT
    ProductId,
    ROW_NUMBER() OVER (ORDER BY tyre_rank DESC, ProductId) - 1 AS place,
    COUNT(*) OVER () AS product_count
  FROM tyre_ranks
),

tiers AS (
  SELECT
    ProductId,
    CASE
      WHEN 100 * place < 25 * product_count THEN '1.BEST TYRE SCORE'
      WHEN 100 * place < 50 * product_count THEN '2.BETTER TYRE SCORE'
      WHEN 100 * place < 75 * product_count THEN '3.GOOD TYRE SCORE'
      WHEN 100 * place < 90 * product_count THEN '4.FAIR TYRE SCORE'
      ELSE 'Unclassified'
    END AS tier
  FROM places
),

-- One row per product and vehicle. A vehicle is never null here; that is kept for "no vehicle" below.
sales AS (
  SELECT
    products.ProductId,
    products.size_key,
    products.grade_key,
    products.is_runflat,
    CONCAT(IFNULL(UPPER(TRIM(sold.CarMake)), ''), IFNULL(UPPER(TRIM(sold.CarModel)), '')) AS vehicle,
    SUM(sold.Orders) AS orders,
    SUM(sold.Units) AS units,
    SUM(IF(sold.Units > 0 AND sold.AvgPrice > 0, sold.Units, 0)) AS priced_units,
    SUM(IF(sold.Units > 0 AND sold.AvgPrice > 0, sold.Units * sold.AvgPrice, 0)) AS paid
  FROM `nexus_tyrescore.CarMakeModelSales` AS sold
  JOIN products ON products.product_text = sold.ProductId
  GROUP BY 1, 2, 3, 4, 5
),

-- Per size and vehicle, and with a null vehicle per size over all vehicles.
sales_of_sizes AS (
  SELECT
    size_key,
    vehicle,
    SUM(paid) AS paid,
    SUM(priced_units) AS priced_units,
    SUM(units) AS units,
    SUM(IF(grade_key = 'PREMIUM', units, 0)) AS premium_units,
    SUM(IF(grade_key = 'MIDRANGE', units, 0)) AS mid_range_units,
    SUM(IF(grade_key = 'BUDGET', units, 0)) AS budget_units,
    SUM(IF(is_runflat, units, 0)) AS runflat_units
  FROM sales
  GROUP BY ROLLUP (size_key, vehicle)
),

facts AS (
  SELECT
    size_key,
    vehicle,
    ROUND(SAFE_CAST(SAFE_DIVIDE(paid, priced_units) AS NUMERIC), 2) AS zone,
    IF(units > 0, ROUND(CAST(SAFE_DIVIDE(100 * premium_units, units) AS NUMERIC), 2), 0) AS premium_share,
    IF(units > 0, ROUND(CAST(SAFE_DIVIDE(100 * mid_range_units, units) AS NUMERIC), 2), 0) AS mid_range_share,
    IF(units > 0, ROUND(CAST(SAFE_DIVIDE(100 * budget_units, units) AS NUMERIC), 2), 0) AS budget_share,
    IF(units > 0, ROUND(CAST(SAFE_DIVIDE(100 * runflat_units, units) AS NUMERIC), 2), 0) AS runflat_share
  FROM sales_of_sizes
),

-- There are hundreds of thousands of counts, and thousands of vehicle texts among them: those are folded.
viewed_vehicles AS (
  SELECT
    item_category5,
    REGEXP_REPLACE(UPPER(REPLACE(NORMALIZE(item_category5, NFKD), 'ß', 'SS')), r'[^A-Z0-9]', '')
      AS vehicle_key
  FROM (SELECT DISTINCT item_category5 FROM `AIM.aim_item_views` WHERE item_category5 IS NOT NULL)
),

views_by_vehicle AS (
  SELECT viewed.item_id, viewed_vehicles.vehicle_key, SUM(viewed.views) AS views
  FROM `AIM.aim_item_views` AS viewed
  JOIN viewed_vehicles ON viewed_vehicles.item_category5 = viewed.item_category5
  GROUP BY viewed.item_id, viewed_vehicles.vehicle_key
),

views_by_product AS (
  SELECT item_id, SUM(views) AS views FROM `AIM.aim_item_views` GROUP BY item_id
),

sold_vehicles AS (
  SELECT
    vehicle,
    REGEXP_REPLACE(UPPER(REPLACE(NORMALIZE(vehicle, NFKD), 'ß', 'SS')), r'[^A-Z0-9]', '') AS vehicle_key
  FROM (SELECT DISTINCT vehicle FROM sales)
),

-- In the cloud a vehicle may stand here twice, in no order: the first by its texts wins.
influence AS (
  SELECT
    stored.vehicle_key,
    NULLIF(TRIM(stored.Segment), '') AS segment,
    NULLIF(TRIM(stored.PRICE_pct), '') AS price_pct,
    NULLIF(TRIM(stored.GRADE_pct), '') AS grade_pct,
    NULLIF(TRIM(stored.FUEL_pct), '') AS fuel_pct,
    NULLIF(TRIM(stored.WET_GRIP_pct), '') AS wet_grip_pct,
    NULLIF(TRIM(stored.AWARD_SCORE_pct), '') AS award_score_pct
  FROM (
    SELECT
      *,
      REGEXP_REPLACE(UPPER(REPLACE(NORMALIZE(Vehicle, NFKD), 'ß', 'SS')), r'[^A-Z0-9]', '') AS vehicle_key
    FROM `nexus_tyrescore.tyrescore-influence`
  ) AS stored
  WHERE stored.vehicle_key != ''
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY stored.vehicle_key
    ORDER BY
      stored.Vehicle, stored.Segment, stored.PRICE_pct, stored.GRADE_pct, stored.FUEL_pct,
      stored.WET_GRIP_pct, stored.AWARD_SCORE_pct
  ) = 1
),

-- A product without sales keeps its one row: no vehicle, and the views of everybody.
product_vehicles AS (
  SELECT
    products.ProductId,
    sales.vehicle,
    sold_vehicles.vehicle_key,
    IFNULL(sales.orders, 0) AS orders,
    IFNULL(sales.units, 0) AS units,
    IFNULL(IF(sales.ProductId IS NULL, views_by_product.views, views_by_vehicle.views), 0) AS views
  FROM products
  LEFT JOIN sales ON sales.ProductId = products.ProductId
  LEFT JOIN sold_vehicles ON sold_vehicles.vehicle = sales.vehicle
  LEFT JOIN views_by_product ON views_by_product.item_id = products.product_text
  LEFT JOIN views_by_vehicle
    ON views_by_vehicle.item_id = products.product_text
    AND views_by_vehicle.vehicle_key = sold_vehicles.vehicle_key
)

SELECT
  tiers.tier,
  products.ProductId,
  products.grade,
  products.manufacturer,
  products.model,
  products.wet_grip,
  products.fuel,
  products.noise,
  products.season,
  products.oe,
  products.award_score,
  IF(products.is_runflat, 'Runflat', 'Non-Runflat'),
  IFNULL(influence.segment, 'NO SALES YET'),
  IFNULL(influence.price_pct, 'NO SALES YET'),
  IFNULL(influence.grade_pct, 'NO SALES YET'),
  IFNULL(influence.fuel_pct, 'NO SALES YET'),
  IFNULL(influence.wet_grip_pct, 'NO SALES YET'),
  IFNULL(influence.award_score_pct, 'NO SALES YET'),
  product_vehicles.vehicle,
  products.size,
  CAST(products.price AS FLOAT64),
  products.offer,
  CAST(IFNULL(products.price_fluctuation, 1) AS FLOAT64),
  product_vehicles.orders,
  product_vehicles.units,
  -- What buyers of the vehicle pay; where it does not say, what all buyers of the size pay.
  CAST(COALESCE(NULLIF(of_vehicle.zone, 0), of_size.zone) AS FLOAT64),
  CAST(IFNULL(of_vehicle.premium_share, 0) AS FLOAT64),
  CAST(IFNULL(of_vehicle.mid_range_share, 0) AS FLOAT64),
  CAST(IFNULL(of_vehicle.budget_share, 0) AS FLOAT64),
  CAST(IFNULL(of_vehicle.runflat_share, 0) AS FLOAT64),
  IF(product_vehicles.vehicle IS NULL, 'Potential', 'Active'),
  product_vehicles.views,
  CAST(ROUND(CAST(
    IFNULL(LEAST(SAFE_DIVIDE(100 * product_vehicles.orders, product_vehicles.views), 1.0), 0.0) AS NUMERIC
  ), 3) AS FLOAT64)
FROM product_vehicles
JOIN products ON products.ProductId = product_vehicles.ProductId
JOIN tiers ON tiers.ProductId = product_vehicles.ProductId
-- Without a vehicle both are the size's own row.
LEFT JOIN facts AS of_vehicle
  ON of_vehicle.size_key = products.size_key
  AND of_vehicle.vehicle IS NOT DISTINCT FROM product_vehicles.vehicle
LEFT JOIN facts AS of_size ON of_size.size_key = products.size_key AND of_size.vehicle IS NULL
LEFT JOIN influence ON influence.vehicle_key = product_vehicles.vehicle_key;
