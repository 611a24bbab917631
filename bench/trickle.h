/*
 * A TCP forwarder for peers that send slowly: what a client sends beyond the first few kilobytes of
 * a connection is passed on one byte at a time; what it is sent passes as it comes.
 */
#ifndef TCCP_BENCH_TRICKLE_H
#define TCCP_BENCH_TRICKLE_H

#include <stdint.h>
#include <uv.h>

struct trickle;

/* Listens on a free port of the loopback. */
struct trickle *trickle_open(uv_loop_t *loop);
uint16_t trickle_port(const struct trickle *trickle);
/* Where connections that come from now on go: a port of the loopback. */
void trickle_point(struct trickle *trickle, uint16_t port);
void trickle_close(struct trickle *trickle);

#endif
