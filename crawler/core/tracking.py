"""The names of query parameters that tell a site where a visitor comes from, and never which page to show.

The facts come from what each service documents about its own links: the advertising and mailing services' help pages on
click identifiers and campaign tags, and the campaign parameters of the web analytics programs. A name belongs here when

- the service that adds it says that it is for counting visits, mails or clicks,
- it is peculiar enough that no site uses it to choose a page (`ref`, `source`, `id`, `sid`, `campaign`, `cmpid` are not),
- it is added to links by itself or by a campaign tool, so that the same page is linked to with and without it.

To extend the list, add the name in lower case beside its service, or a prefix if the service owns all names that begin with
it. Names are compared without case: the documented `hsCtaTracking` and `ScCid` are met in other spellings.
"""

from __future__ import annotations

TRACKING_PREFIXES: tuple[str, ...] = (
    "utm_",                 # Urchin's campaign tags, read by nearly every analytics program
    "mtm_",                 # Matomo
)
"""What the name of a tracking parameter may begin with."""

TRACKING_NAMES: frozenset[str] = frozenset(
    (
        # Google: ads (click, click on iOS, campaign), display, merchant listings, cross-domain linker
        *("gclid", "gclsrc", "gbraid", "wbraid", "gad_source", "gad_campaignid", "dclid", "srsltid", "_ga", "_gl"),
        # Meta: Facebook, Instagram
        *("fbclid", "igshid", "igsh"),
        # Microsoft Advertising
        "msclkid",
        # Yandex: Direct, search, Market; Openstat
        *("yclid", "ysclid", "ymclid", "_openstat"),
        # X, TikTok, LinkedIn, Snapchat, Pinterest, Reddit, Nextdoor, Quora
        *("twclid", "ttclid", "li_fat_id", "sccid", "epik", "rdt_cid", "ndclid", "qclid"),
        # Taboola, Outbrain, Impact, Branch, Wicked Reports, Rebrandly
        *("tblci", "dicbo", "irclickid", "_branch_match_id", "wickedid", "rb_clickid"),
        # Adobe: Analytics, Advertising, Marketo
        *("s_cid", "s_kwcid", "ef_id", "mkt_tok"),
        # Mailchimp, MailerLite, Vero, Klaviyo, Dotdigital, Oracle Eloqua, Omeda
        *("mc_cid", "mc_eid", "ml_subscriber", "ml_subscriber_hash", "vero_id", "vero_conv", "_kx", "dm_i"),
        *("elqtrack", "elqtrackid", "oly_anon_id", "oly_enc_id"),
        # HubSpot
        *("_hsenc", "_hsmi", "__hssc", "__hstc", "__hsfp", "hsctatracking"),
        # Matomo under its older names; no prefix, for `pk_` is also said of primary keys
        *("pk_campaign", "pk_kwd", "pk_keyword", "pk_source", "pk_medium", "pk_content", "pk_cid"),
        *("piwik_campaign", "piwik_kwd", "piwik_keyword", "matomo_campaign"),
        # Piano (AT Internet), in its present and its older form
        *("at_campaign", "at_medium", "xtor"),
        # Tags of campaigns within one site
        *("itm_source", "itm_medium", "itm_campaign", "itm_content", "itm_term"),
        # Webtrends
        "wt.mc_id",
    )
)
"""Whole names of tracking parameters, in lower case."""


def is_tracking(name: str) -> bool:
    """Tell whether a parameter of that (decoded) name only says where a visitor comes from."""
    lower = name.lower()
    return lower in TRACKING_NAMES or lower.startswith(TRACKING_PREFIXES)
