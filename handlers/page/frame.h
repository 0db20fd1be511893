/* SPDX-License-Identifier: MIT */
/*
 * frame.h - what stands around every page: menu, who is signed in, messages.
 */
#ifndef WEIR_PAGE_FRAME_H
#define WEIR_PAGE_FRAME_H

#include <jansson.h>

struct page;

/* A new object for the templates head.html and foot.html. */
json_t *frame_new(struct page *p, const json_t *errors);

#endif
