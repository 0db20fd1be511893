/* SPDX-License-Identifier: MIT */
/*
 * page.h - what people and browsers see outside the API.
 */
#ifndef WEIR_PAGE_H
#define WEIR_PAGE_H

#include <jansson.h>
#include <stdbool.h>

#include "fcgi/base/buf.h"
#include "fcgi/base/conf.h"

struct request;
struct store;
struct writer;

/* Reads the templates and texts; false: *why ("www/index.html: line 3: …"). */
bool page_start(const struct conf *conf, struct arena *a, struct str *why);
void page_stop(void);

/* What pages read and write, once it is there; all NULL before. */
struct page_house {
	const struct conf *conf;
	struct store *store;
	struct writer *writer;
};
const struct page_house *page_house(void);

/* The house has opened them, or (NULL) will close them: no page runs then. */
void page_house_open(struct store *store, struct writer *writer);

/* What pages say (text.h). */
const json_t *page_texts(void);

/* Appends a template with its data, in what is around it (page_data's). */
void page_render(const char *name, const json_t *frame, const json_t *data,
    struct buf *out);

/* The headers of everything a browser shows. */
void page_headers(struct request *rq);

/* Is that the origin we are reached at? */
bool page_origin(struct request *rq, struct str origin);

/* Is this a path of pages, and a browser that asks? */
bool page_wanted(const struct request *rq);

/* 303 to a path of this host, or to an address. */
void page_go(struct request *rq, struct str to);

/*
 * What every template may name: name, version, base_url, mount.  NULL: the
 * Host header is not UTF-8.
 */
json_t *page_data(struct request *rq);

/* A template as the whole answer; gives data and request back. */
void page_show(struct request *rq, int status, const char *name,
    json_t *data);

void page_home(struct request *rq);	/* GET / */
void page_static(struct request *rq);	/* GET /static/{} */

#endif
