/* SPDX-License-Identifier: MIT */
/*
 * parcel.h - a delivery as it leaves: signed, or as a mail.
 *
 * A webhook is signed as Standard Webhooks has it: webhook-id, the same at
 * each try; webhook-timestamp, seconds of this try; webhook-signature,
 * "v1," and the base64 of HMAC-SHA256 over "ID.TIMESTAMP.BODY".
 */
#ifndef WEIR_ALERT_PARCEL_H
#define WEIR_ALERT_PARCEL_H

#include "db/delivery.h"
#include "db/target.h"
#include "db/vault.h"
#include "fcgi/outbox.h"

enum { PARCEL_HEADERS = 5 };

struct parcel {
	struct message message;
	struct str headers[PARCEL_HEADERS];
	char secret[TARGET_SECRET_MOST];	/* wipe it */
};

/*
 * What is to be sent, in the arena; mail: the server that takes it; allow: a
 * JSON list of networks that a target of an account may reach too; now: UTC
 * ms.  False: *why it cannot be.
 */
bool parcel_make(struct parcel *p, const struct vault *v,
    const struct delivery *d, const struct mail_row *mail, struct str allow,
    int64_t now, struct arena *a, struct str *why);

/* Is it a host of this network by its text: localhost or an address that is
 * not of the Internet at large?  "smtp://10.0.0.1:25" */
bool parcel_is_near(struct str url);

#endif
