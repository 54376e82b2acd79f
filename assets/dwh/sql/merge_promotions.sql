-- Merges the staged promotions of a load into the table.
-- Needs `dw_core.d_promotion_3_0_staged` with one row per promotion for @load_id, and @loaded_at, the time of
-- the load.
-- Leaves: every staged promotion, but where the stored one was updated later; no update time is before all
-- others. A stored row keeps who created it, and when.

MERGE `dw_core.d_promotion_3_0` AS stored
USING (SELECT * FROM `dw_core.d_promotion_3_0_staged` WHERE load_id = @load_id) AS incoming
ON stored.promotionid = incoming.promotionid
WHEN MATCHED AND (stored.eventupdtime IS NULL OR stored.eventupdtime <= incoming.eventupdtime) THEN
  UPDATE SET
    promotioncode = incoming.promotioncode, promotiondescription = incoming.promotiondescription,
    promotiontype = incoming.promotiontype, promotionstartdate = incoming.promotionstartdate,
    promotionenddate = incoming.promotionenddate, couponmin = incoming.couponmin,
    couponmax = incoming.couponmax, promotionskus = incoming.promotionskus,
    excld_promo_sku = incoming.excld_promo_sku, promo_elements = incoming.promo_elements,
    tieredskus = incoming.tieredskus, excld_tier_sku = incoming.excld_tier_sku,
    discountinfo = incoming.discountinfo, bundleskus = incoming.bundleskus,
    excld_bundle_sku = incoming.excld_bundle_sku, discount_sku = incoming.discount_sku,
    discount_excld_sku = incoming.discount_excld_sku, tags = incoming.tags,
    sourcegroups = incoming.sourcegroups, deliverymethod = incoming.deliverymethod,
    deliveryoption = incoming.deliveryoption, promo_properties = incoming.promo_properties,
    key = incoming.key, uniquepromoflag = incoming.uniquepromoflag,
    sitewideflag = incoming.sitewideflag, prepaidflag = incoming.prepaidflag,
    personalizedpromoflag = incoming.personalizedpromoflag, marketinitiative = incoming.marketinitiative,
    partnerid = incoming.partnerid, program = incoming.program,
    campaigntype = incoming.campaigntype, campaignname = incoming.campaignname,
    vertical = incoming.vertical, mediatype = incoming.mediatype,
    marketingbranch = incoming.marketingbranch, skuspurchasetype = incoming.skuspurchasetype,
    purchasetype = incoming.purchasetype, redemptionmethod = incoming.redemptionmethod,
    periscopeid = incoming.periscopeid, dailystarttime = incoming.dailystarttime,
    dailyendtime = incoming.dailyendtime, limitsglobal = incoming.limitsglobal,
    limitsorder = incoming.limitsorder, limitscustomer = incoming.limitscustomer,
    minimumpurchase = incoming.minimumpurchase, maximumdiscounted = incoming.maximumdiscounted,
    eventinstime = incoming.eventinstime, eventupdtime = incoming.eventupdtime,
    etl_created_by = incoming.etl_created_by,
    etl_created_at = @loaded_at
WHEN NOT MATCHED THEN
  INSERT (
    promotionid, promotioncode, promotiondescription, promotiontype, promotionstartdate, promotionenddate,
    couponmin, couponmax, promotionskus, excld_promo_sku, promo_elements, tieredskus, excld_tier_sku,
    discountinfo, bundleskus, excld_bundle_sku, discount_sku, discount_excld_sku, tags, sourcegroups,
    deliverymethod, deliveryoption, promo_properties, key, uniquepromoflag, sitewideflag, prepaidflag,
    personalizedpromoflag, marketinitiative, partnerid, program, campaigntype, campaignname, vertical,
    mediatype, marketingbranch, skuspurchasetype, purchasetype, redemptionmethod, periscopeid,
    dailystarttime, dailyendtime, limitsglobal, limitsorder, limitscustomer, minimumpurchase,
    maximumdiscounted, eventinstime, eventupdtime, dwcreatedby, etl_created_by, dwcreatedat, etl_created_at
  )
  VALUES (
    incoming.promotionid, incoming.promotioncode, incoming.promotiondescription, incoming.promotiontype,
    incoming.promotionstartdate, incoming.promotionenddate, incoming.couponmin, incoming.couponmax,
    incoming.promotionskus, incoming.excld_promo_sku, incoming.promo_elements, incoming.tieredskus,
    incoming.excld_tier_sku, incoming.discountinfo, incoming.bundleskus, incoming.excld_bundle_sku,
    incoming.discount_sku, incoming.discount_excld_sku, incoming.tags, incoming.sourcegroups,
    incoming.deliverymethod, incoming.deliveryoption, incoming.promo_properties, incoming.key,
    incoming.uniquepromoflag, incoming.sitewideflag, incoming.prepaidflag, incoming.personalizedpromoflag,
    incoming.marketinitiative, incoming.partnerid, incoming.program, incoming.campaigntype,
    incoming.campaignname, incoming.vertical, incoming.mediatype, incoming.marketingbranch,
    incoming.skuspurchasetype, incoming.purchasetype, incoming.redemptionmethod, incoming.periscopeid,
    incoming.dailystarttime, incoming.dailyendtime, incoming.limitsglobal, incoming.limitsorder,
    incoming.limitscustomer, incoming.minimumpurchase, incoming.maximumdiscounted, incoming.eventinstime,
    incoming.eventupdtime, incoming.dwcreatedby, incoming.etl_created_by, @loaded_at, @loaded_at
  );
