/* SPDX-License-Identifier: MIT */
/* tick_probes.h - the probes of weirctl tick. */
#ifndef WEIR_CTL_TICK_PROBES_H
#define WEIR_CTL_TICK_PROBES_H

#include "handlers/ctl/ctl.h"

struct ticked {
	bool elsewhere;			/* a running weir.fcgi probes */
	int made, good, left;		/* left: no time for them now */
	struct buf json, text;		/* of each, as it is printed */
};

/*
 * Probes what is due, unless another process does; `all`: whatever is ejected
 * or barred now instead, whoever else probes.  Blocks for the upstreams.
 * False: it could not; why was printed.
 */
bool tick_probes(struct ctl *c, bool all, struct ticked *t);

#endif
