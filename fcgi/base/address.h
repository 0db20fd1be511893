/* SPDX-License-Identifier: MIT */
/*
 * address.h - IP addresses and networks.
 *
 * An address is 16 bytes, those of IPv4 in their mapped form (::ffff:0:0/96),
 * so that both families are compared alike.
 */
#ifndef WEIR_ADDRESS_H
#define WEIR_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "fcgi/base/str.h"

enum { ADDRESS = 16 };

/* "192.0.2.7", "2001:db8::1"; *bits: 32 or 128.  False: it is none. */
bool address_read(struct str text, uint8_t out[static ADDRESS], int *bits);

/* Is it in a network like "10.0.0.0/8" (without a prefix: that address)?
 * False too when that is no network. */
bool address_in(const uint8_t address[static ADDRESS], struct str network);

/* In one of a JSON list of such? */
bool address_in_list(const uint8_t address[static ADDRESS],
    struct str networks);

/*
 * Is it an address of the Internet at large?  Not: loopback, private, link
 * and site, shared, multicast, documentation, and those that stand for
 * another address inside (mapped IPv4 is judged as IPv4).
 */
bool address_public(const uint8_t address[static ADDRESS]);

#endif
