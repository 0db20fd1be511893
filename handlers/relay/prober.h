/* SPDX-License-Identifier: MIT */
/*
 * prober.h - tries upstreams that are out, or that nobody has used for a
 * while, with tiny calls (probe.h).
 *
 * On loop 0 of a weir.fcgi.  Of all processes on a store one probes: who has
 * BYTE_PROBE of weir.lock, until it ends.
 */
#ifndef WEIR_PROBER_H
#define WEIR_PROBER_H

struct prober;
struct relay;

/* Begins within a second of the loop's; r lives longer. */
struct prober *prober_new(struct relay *r);

/* Ends what is under way; the loop has stopped. */
void prober_free(struct prober *p);

#endif
