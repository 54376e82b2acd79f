-- What people saw and bought, for the scores and the merchandising report: as collect_event_items.sql, but
-- from the daily tables of a GA4 export; `analytics.events_*` stands for those of the installation. Needs
-- @run_date. A statement is charged for the days and columns that it reads: all but five for 21 days only.
--
-- Leaves `AIM.aim_item_views` with how often each product was seen in a list with each vehicle, in events
-- whose own date lies from 90 days before the run date to the run date, for the scores; and
-- `AIM.aim_event_items` with one row per item that was seen in a list or bought in the 21 London dates before
-- the run date, for the merchandising report. Nothing else stays in either. An event_date that is no
-- YYYYMMDD is none of those dates, and nor is a missing timestamp. Items count whose item_id is all digits.
TRUNCATE TABLE `AIM.aim_item_views`;

INSERT INTO `AIM.aim_item_views` (item_id, item_category5, views)
WITH
  events AS (
    SELECT items
    FROM `analytics.events_*`
    WHERE
      -- A day or two wider than the dates; tables of other days cost nothing. `intraday_` ones are no dates.
      _TABLE_SUFFIX BETWEEN FORMAT_DATE('%Y%m%d', DATE_SUB(@run_date, INTERVAL 91 DAY))
        AND FORMAT_DATE('%Y%m%d', DATE_ADD(@run_date, INTERVAL 1 DAY))
      AND event_name = 'view_item_list'
      AND event_date IN (
        SELECT FORMAT_DATE('%Y%m%d', day)
        FROM UNNEST(GENERATE_DATE_ARRAY(DATE_SUB(@run_date, INTERVAL 90 DAY), @run_date)) AS day
      )
  )
SELECT item.item_id, item.item_category5, COUNT(*)
FROM events CROSS JOIN UNNEST(items) AS item
WHERE REGEXP_CONTAINS(item.item_id, r'^[0-9]+$')
GROUP BY item.item_id, item.item_category5;

TRUNCATE TABLE `AIM.aim_event_items`;

INSERT INTO `AIM.aim_event_items` (
  event_name, london_date, event_timestamp, user_pseudo_id, country, page_location, transaction_id,
  item_id, item_name, item_brand, item_variant, item_list_index,
  item_category5, item_category6, item_category8, price, quantity
)
WITH
  events AS (
    SELECT
      event_name,
      DATE(TIMESTAMP_MICROS(event_timestamp), 'Europe/London') AS london_date,
      event_timestamp,
      user_pseudo_id,
      geo.country AS country,
      (
        SELECT parameter.value.string_value
        FROM UNNEST(event_params) AS parameter WITH OFFSET AS place
        WHERE parameter.key = 'page_location'
        ORDER BY place
        LIMIT 1
      ) AS page_location,
      ecommerce.transaction_id AS transaction_id,
      items
    FROM `analytics.events_*`
    WHERE
      -- Here too.
      _TABLE_SUFFIX BETWEEN FORMAT_DATE('%Y%m%d', DATE_SUB(@run_date, INTERVAL 23 DAY))
        AND FORMAT_DATE('%Y%m%d', DATE_ADD(@run_date, INTERVAL 1 DAY))
      AND event_name IN ('view_item_list', 'purchase')
      AND event_timestamp >= UNIX_MICROS(TIMESTAMP(DATE_SUB(@run_date, INTERVAL 21 DAY), 'Europe/London'))
      AND event_timestamp < UNIX_MICROS(TIMESTAMP(@run_date, 'Europe/London'))
  )
SELECT
  event_name, london_date, event_timestamp, user_pseudo_id, country, page_location, transaction_id,
  item.item_id, item.item_name, item.item_brand, item.item_variant, item.item_list_index,
  item.item_category5, item.item_category6, item.item_category8, item.price, item.quantity
FROM events CROSS JOIN UNNEST(items) AS item
WHERE REGEXP_CONTAINS(item.item_id, r'^[0-9]+$');
