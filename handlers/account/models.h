/* SPDX-License-Identifier: MIT */
/*
 * models.h - models and what they cost: for a customer at his prices, for an
 * operator at list prices, with who serves them.
 */
#ifndef WEIR_ACCOUNT_MODELS_H
#define WEIR_ACCOUNT_MODELS_H

struct leaf;

extern const struct leaf leaf_models;		/* GET …/models */

#endif
