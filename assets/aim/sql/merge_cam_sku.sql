-- Merges the lists of a run into CAM_SKU: a list is replaced whole, so nothing of the old one stays behind.
-- Needs `AIM.aim_staged_cam_sku` and @last_modified, the moment that the run date stands for.
-- Leaves: the incoming lists, in rows old and new; rows that no incoming list matches, and rows of a later
-- moment, as they were. A stored row keeps its spelling of Make and Model.

MERGE `CAM_files.CAM_SKU` AS stored
USING (SELECT * FROM `AIM.aim_staged_cam_sku` WHERE left_out IS NULL) AS incoming
-- A narrow size has no Profile, which tables that others filled say with a null.
ON UPPER(stored.Make) = UPPER(incoming.Make)
  AND UPPER(stored.Model) = UPPER(incoming.Model)
  AND stored.Width = incoming.Width
  AND COALESCE(stored.Profile, '') = incoming.Profile
  AND stored.Rim = incoming.Rim
WHEN MATCHED AND (stored.last_modified IS NULL OR stored.last_modified <= @last_modified) THEN
  UPDATE SET
    SKU1 = incoming.SKU1, SKU2 = incoming.SKU2, SKU3 = incoming.SKU3, SKU4 = incoming.SKU4,
    SKU5 = incoming.SKU5, SKU6 = incoming.SKU6, SKU7 = incoming.SKU7, SKU8 = incoming.SKU8,
    SKU9 = incoming.SKU9, SKU10 = incoming.SKU10, SKU11 = incoming.SKU11, SKU12 = incoming.SKU12,
    SKU13 = incoming.SKU13, SKU14 = incoming.SKU14, SKU15 = incoming.SKU15, SKU16 = incoming.SKU16,
    SKU17 = incoming.SKU17, SKU18 = incoming.SKU18, SKU19 = incoming.SKU19, SKU20 = incoming.SKU20,
    SKU21 = incoming.SKU21, SKU22 = incoming.SKU22, SKU23 = incoming.SKU23, SKU24 = incoming.SKU24,
    last_modified = @last_modified
WHEN NOT MATCHED THEN
  INSERT (
    Make, Model, Width, Profile, Rim,
    SKU1, SKU2, SKU3, SKU4, SKU5, SKU6, SKU7, SKU8, SKU9, SKU10, SKU11, SKU12, SKU13, SKU14, SKU15, SKU16,
    SKU17, SKU18, SKU19, SKU20, SKU21, SKU22, SKU23, SKU24,
    last_modified
  )
  VALUES (
    incoming.Make, incoming.Model, incoming.Width, incoming.Profile, incoming.Rim,
    incoming.SKU1, incoming.SKU2, incoming.SKU3, incoming.SKU4, incoming.SKU5, incoming.SKU6, incoming.SKU7,
    incoming.SKU8, incoming.SKU9, incoming.SKU10, incoming.SKU11, incoming.SKU12, incoming.SKU13,
    incoming.SKU14, incoming.SKU15, incoming.SKU16, incoming.SKU17, incoming.SKU18, incoming.SKU19,
    incoming.SKU20, incoming.SKU21, incoming.SKU22, incoming.SKU23, incoming.SKU24,
    @last_modified
  );
