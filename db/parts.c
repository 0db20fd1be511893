/* SPDX-License-Identifier: MIT */
/*
 * parts.c - the statement lists of this floor; the busiest first.
 */
#include "db/db.h"

extern const struct db_part hold_part, settle_part, claim_part, tab_part,
    tab_caps_part, crash_part, allowance_part,
    store_part, key_part, usage_part,
    ledger_part, ledger_check_part, bill_part, setting_part, catalogue_part,
    account_part,
    cap_part, group_part, model_part, tariff_part, channel_part, user_part,
    park_part, score_part, probe_part, metric_part, audit_part,
    process_part, seal_part, backup_part, setup_part, rollup_part, retain_part,
    replay_part, package_part;

const struct db_part *const db_parts[] = {
	&hold_part,
	&settle_part,
	&claim_part,
	&tab_part,
	&tab_caps_part,
	&store_part,
	&key_part,
	&usage_part,
	&rollup_part,
	&ledger_part,
	&ledger_check_part,
	&allowance_part,
	&bill_part,
	&setting_part,
	&catalogue_part,
	&account_part,
	&cap_part,
	&group_part,
	&model_part,
	&package_part,
	&tariff_part,
	&channel_part,
	&user_part,
	&park_part,
	&score_part,
	&probe_part,
	&crash_part,
	&metric_part,
	&audit_part,
	&process_part,
	&seal_part,
	&backup_part,
	&setup_part,
	&retain_part,
	&replay_part,
	NULL,
};
