/* SPDX-License-Identifier: MIT */
/*
 * page.h - what people and browsers see outside the API.
 */
#ifndef WEIR_PAGE_H
#define WEIR_PAGE_H

#include <jansson.h>
#include <stdbool.h>

#include "fcgi/base/conf.h"

struct request;

/* Reads the templates; false: *why ("www/index.html: line 3: …"). */
bool page_start(const struct conf *conf, struct arena *a, struct str *why);
void page_stop(void);

/*
 * What every template may name: name, version, base_url.  NULL: the Host
 * header is not UTF-8.
 */
json_t *page_data(struct request *rq);

/* A template as the whole answer; gives data and request back. */
void page_show(struct request *rq, int status, const char *name,
    json_t *data);

void page_home(struct request *rq);	/* GET / */
void page_static(struct request *rq);	/* GET /static/{} */

#endif
