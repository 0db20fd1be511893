/* SPDX-License-Identifier: MIT */
/*
 * main.c - weirctl: the store from a terminal, beside a running weir.
 *
 * The table below is all there is; each command explains itself.  To add one:
 * its file, its line here and in Makefile.am.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "handlers/ctl/ctl.h"

extern const struct command command_init, command_apply, command_export,
    command_list, command_on, command_off, command_key_new,
    command_key_rotate, command_key_revoke, command_credential_add,
    command_credential_recover,
    command_channel_test, command_channel_models,
    command_channel_presets, command_channel_capabilities,
    command_user_new, command_user_passwd, command_token_new,
    command_token_list, command_token_revoke, command_project_new,
    command_subscription_new, command_subscription_list,
    command_subscription_cancel, command_voucher_new,
    command_voucher_redeem,
    command_cap, command_balance, command_grant, command_deduct,
    command_usage, command_report_usage, command_report_spread,
    command_ledger_check, command_bill_recompute, command_price_import,
    command_route, command_log, command_status, command_doctor,
    command_backup, command_restore, command_rekey, command_tick,
    command_alert_log, command_alert_standing, command_alert_test,
    command_alert_replay;

static const struct command *const commands[] = {
	&command_init,			/* init.c */
	&command_apply,			/* apply.c */
	&command_export,		/* export.c */
	&command_list,			/* list.c, for every noun */
	&command_on,
	&command_off,
	&command_key_new,		/* key.c */
	&command_key_rotate,
	&command_key_revoke,
	&command_credential_add,	/* credential.c */
	&command_credential_recover,
	&command_channel_test,		/* channel_test.c */
	&command_channel_models,	/* channel_models.c */
	&command_channel_presets,	/* channel_known.c */
	&command_channel_capabilities,
	&command_user_new,		/* user.c */
	&command_user_passwd,
	&command_token_new,		/* token.c */
	&command_token_list,
	&command_token_revoke,
	&command_project_new,		/* project.c */
	&command_subscription_new,	/* subscription.c */
	&command_subscription_list,
	&command_subscription_cancel,
	&command_voucher_new,		/* voucher.c */
	&command_voucher_redeem,
	&command_cap,			/* cap.c */
	&command_balance,		/* wallet.c */
	&command_grant,
	&command_deduct,
	&command_usage,			/* usage.c */
	&command_report_usage,		/* report.c */
	&command_report_spread,
	&command_ledger_check,		/* ledger.c */
	&command_bill_recompute,	/* bill.c */
	&command_price_import,		/* price_import.c */
	&command_alert_standing,	/* alert.c */
	&command_alert_log,
	&command_alert_test,
	&command_alert_replay,
	&command_route,			/* route.c */
	&command_log,			/* log.c */
	&command_status,		/* status.c */
	&command_doctor,		/* doctor.c */
	&command_backup,		/* backup.c */
	&command_restore,		/* restore.c */
	&command_rekey,			/* rekey.c */
	&command_tick,			/* tick.c */
	NULL
};

/*
 * Secrets pass through this process: no core file, no look from outside.  A
 * file that may not grow any more is an error to be told, not a death.
 */
static void
close_doors(void)
{
	struct rlimit none = { 0, 0 };

	umask(0077);
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
	signal(SIGXFSZ, SIG_IGN);
}

int
main(int argc, char **argv)
{
	struct ctl c = { .argv = argv };
	int status;

	(void)argc;
	close_doors();
	conf_init(&c.conf);
	status = args_read(&c, commands, argv);
	if (status == EXIT_DONE && c.command && !c.command->no_store)
		status = open_store(&c);
	if (status == EXIT_DONE && c.command)
		status = c.command->run(&c);
	close_store(&c);
	if (fflush(stdout) != 0 || ferror(stdout))
		status = failed(&c, "standard output cannot be written");
	conf_release(&c.conf);
	arena_release(&c.arena);
	return status;
}
