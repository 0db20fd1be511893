/* SPDX-License-Identifier: MIT */
/*
 * page.h - what people and browsers see outside the API.
 */
#ifndef WEIR_PAGE_H
#define WEIR_PAGE_H

#include <stdbool.h>

#include "fcgi/base/conf.h"

struct request;

/* Reads the templates; false: *why ("www/index.html: line 3: …"). */
bool page_start(const struct conf *conf, struct arena *a, struct str *why);
void page_stop(void);

void page_home(struct request *rq);	/* GET / */
void page_static(struct request *rq);	/* GET /static/{} */

#endif
