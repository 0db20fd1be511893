/* SPDX-License-Identifier: MIT */
/*
 * limits.h - every maximum of the program, with its unit and its reason.
 *
 * What an operator may change is in conf.c and names these as defaults.
 */
#ifndef WEIR_LIMITS_H
#define WEIR_LIMITS_H

/* What a caller may send. */
#define LIMIT_BODY_BYTES	(64 << 20)	/* images as base64; samples of the web servers allow 65 MiB so that weir writes the 413 */
#define LIMIT_PARAMS_BYTES	65536	/* FastCGI parameters in all; libfcgi has no limit of its own (CVE-2025-23016) */
#define LIMIT_HEADERS		200	/* HTTP_ parameters; more is an attack or a loop of proxies */
#define LIMIT_PATH_BYTES	4096
#define LIMIT_KEY_BYTES		256	/* a client key; house rule: 16-256 visible ASCII */
#define LIMIT_MODEL_BYTES	256
#define LIMIT_JSON_DEPTH	64	/* levels; deeper has no use and costs stack elsewhere */
#define LIMIT_JSON_MEMBERS	100000	/* members of one object that is walked */
#define LIMIT_CATALOGUE_BYTES	(64 << 20)	/* a file for weirctl apply: some 300,000 keys */

/* What moves on a loop. */
#define LIMIT_PEEK_BYTES	16384	/* a request parsed in place; larger ones are a reader's work */
#define LIMIT_SPOOL_MEMORY	65536	/* bytes of a spool in memory before it becomes a memfd */
#define LIMIT_TREE_BYTES	16384	/* a JSON tree on a loop; Jansson reads 60 MB/s */
#define LIMIT_OUT_BYTES		262144	/* queued for one caller; above it the upstream is paused */
#define LIMIT_OUT_LOW		65536	/* below it the upstream goes on */
#define LIMIT_KEEP_BACK		16384	/* last bytes of an unstreamed answer kept until settled */
#define LIMIT_EVENT_BYTES	262144	/* one server-sent event looked into; a larger one passes unread */
#define LIMIT_ERROR_BYTES	65536	/* of an upstream's error body read */
#define LIMIT_FOLD_BYTES	(64 << 20)	/* an unstreamed answer looked into for usage */
#define LIMIT_UP_HEADER_BYTES	65536	/* response headers of an upstream in all */
#define LIMIT_UP_HEADERS	200

/* Time, in milliseconds. */
#define LIMIT_BODY_STALL_MS	30000	/* no byte of a body for so long: 408 */
#define LIMIT_BODY_RATE		500	/* bytes a second on the average of a body: below it 408 */
#define LIMIT_WRITE_STALL_MS	60000	/* a caller that takes no byte for so long has left */
#define LIMIT_STORE_WAIT_MS	5000	/* an admission or a settlement waits so long for the store */
#define LIMIT_HEARTBEAT_MS	10000	/* silence towards a streaming caller */
#define LIMIT_JOURNAL_MS	5000	/* progress of a stream is journalled at least so often */
#define LIMIT_JOURNAL_TOKENS	2000
#define LIMIT_IDLE_CONN_MS	0	/* kept FastCGI connections wait for ever; the web server closes them */

/* Calls. */
#define LIMIT_ATTEMPTS		3	/* upstreams tried for one call */
#define LIMIT_CANDIDATES	64	/* considered for one call */
#define LIMIT_CHOICES		128	/* n and best_of; OpenAI's maximum for n */
#define LIMIT_KEY_CACHE		4096	/* slots of a loop's key cache */
#define LIMIT_KEY_FRESH_MS	1000	/* an entry of it is used so long */
#define LIMIT_SHARD_TRANSFERS	256	/* running transfers of one curl multi handle */
#define LIMIT_H2_STREAMS	16	/* streams of one HTTP/2 connection */
#define LIMIT_LOG_LINE		4096
#define LIMIT_LOG_FILE		(50 << 20)	/* bytes of weir.log before it is put aside */
#define LIMIT_LOG_FILES		4	/* kept of it, the current one among them */
#define LIMIT_LOG_RING	8192	/* 256-byte lines waiting for the log thread; full = dropped and counted */

#endif
