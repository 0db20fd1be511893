/* SPDX-License-Identifier: MIT */
/* admin.h - the pages of operators; one file a page. */
#ifndef WEIR_ADMIN_H
#define WEIR_ADMIN_H

struct leaf;

extern const struct leaf leaf_dashboard;	/* /admin */
extern const struct leaf leaf_channels;		/* /admin/channels */
extern const struct leaf leaf_channel_on, leaf_channel_off,
    leaf_channel_recover;
extern const struct leaf leaf_credential_on, leaf_credential_off,
    leaf_credential_recover;
extern const struct leaf leaf_accounts;		/* /admin/accounts */
extern const struct leaf leaf_account_new;	/* /admin/accounts/new */
extern const struct leaf leaf_account;		/* /admin/accounts/{} */
extern const struct leaf leaf_account_on, leaf_account_off;
extern const struct leaf leaf_grant, leaf_deduct;
extern const struct leaf leaf_users;		/* /admin/users */
extern const struct leaf leaf_user_new;		/* /admin/users/new */
extern const struct leaf leaf_user_on, leaf_user_off, leaf_user_password;
extern const struct leaf leaf_ledger;		/* /admin/ledger */
extern const struct leaf leaf_reports;		/* /admin/reports */
extern const struct leaf leaf_audit;		/* /admin/audit */
extern const struct leaf leaf_system;		/* /admin/system */

#endif
