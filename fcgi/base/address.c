/* SPDX-License-Identifier: MIT */
/* address.c - IP addresses and networks; see address.h. */
#include "fcgi/base/address.h"

#include <arpa/inet.h>
#include <string.h>

#include "fcgi/base/json.h"
#include "fcgi/base/mem.h"

bool
address_read(struct str text, uint8_t out[static ADDRESS], int *bits)
{
	char z[INET6_ADDRSTRLEN];

	if (text.n == 0 || text.n >= sizeof(z))
		return false;
	memcpy(z, text.p, text.n);
	z[text.n] = '\0';
	memset(out, 0, ADDRESS);
	out[10] = out[11] = 0xff;
	*bits = 32;
	if (inet_pton(AF_INET, z, out + 12) == 1)
		return true;
	*bits = 128;
	return inet_pton(AF_INET6, z, out) == 1;
}

bool
address_in(const uint8_t address[static ADDRESS], struct str network)
{
	struct str host = str_cut(&network, '/');
	int64_t prefix;
	uint8_t net[ADDRESS];
	int bits;

	if (!address_read(host, net, &bits))
		return false;
	prefix = bits;
	if (network.n && (!str_int(network, &prefix) || prefix < 0 ||
	    prefix > bits))
		return false;
	prefix += 128 - bits;
	if (memcmp(address, net, (size_t)prefix / 8) != 0)
		return false;
	return prefix % 8 == 0 || ((address[prefix / 8] ^ net[prefix / 8]) >>
	    (8 - prefix % 8)) == 0;
}

bool
address_in_list(const uint8_t address[static ADDRESS], struct str networks)
{
	struct json_each each = json_each(networks);

	while (json_next(&each))
		if (each.value.n >= 2 && address_in(address,
		    str_from(each.value.p + 1, each.value.n - 2)))
			return true;
	return false;
}

bool
address_public(const uint8_t address[static ADDRESS])
{
	/* By the registries of special-purpose addresses (RFC 6890). */
	static const char *const special[] = {
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8",
		"169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
		"192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16",
		"198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
		"224.0.0.0/4", "240.0.0.0/4",
		"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
	};

	for (size_t i = 0; i < countof(special); i++)
		if (address_in(address, str_of(special[i])))
			return false;
	return address_in(address, S("::ffff:0:0/96")) ||
	    address_in(address, S("2000::/3"));
}
