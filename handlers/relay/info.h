/* SPDX-License-Identifier: MIT */
/*
 * info.h - what a caller may know: models, its key, its calls; and what
 * monitors ask: is the relay well, what has it counted.
 */
#ifndef WEIR_INFO_H
#define WEIR_INFO_H

struct request;

void info_models(struct request *rq);	/* GET /v1/models */
void info_model(struct request *rq);	/* GET /v1/models/{} */
void info_key(struct request *rq);	/* GET /v1/key */
void info_subscription(struct request *rq);	/* GET /v1/dashboard/… */
void info_billing_usage(struct request *rq);
void info_call(struct request *rq);	/* GET /v1/calls/{} */
void info_doctor(struct request *rq);	/* GET /v1/doctor */
void info_doctor_body(struct request *rq);	/* POST /v1/doctor */
void info_health(struct request *rq);	/* GET /healthz */
void info_metrics(struct request *rq);	/* GET /metrics */

#endif
