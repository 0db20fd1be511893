/* SPDX-License-Identifier: MIT */
/*
 * simcost.h - what a decision costs, and how much memory health takes.
 *
 * Prints the CPU time of plan_make and pick_next for 50 candidates, and the
 * bytes of health for 1,000 channels with 20 models each.
 */
#ifndef WEIR_TEST_SIMCOST_H
#define WEIR_TEST_SIMCOST_H

/* 0, or 1 when a target (5 us, 8 MiB) is missed. */
int simcost(void);

#endif
