/*
 * A network for tests that can be cut: TCP proxies on loopback, one in front of each member. What
 * is cut is neither closed nor refused, it just does not arrive.
 *
 * Runs in a thread of its own. A connection's origin is found by its socket's owner, so a cut can
 * concern one direction of dialing between two members.
 */
#ifndef TCCP_TESTS_SUPPORT_PROXY_H
#define TCCP_TESTS_SUPPORT_PROXY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { PROXY_MEMBER_MAX = 8 };

struct proxy;

struct proxy *proxy_new(unsigned member_count);
void proxy_free(struct proxy *proxy);
/* Where to dial a member, and where it must listen. */
uint16_t proxy_port(const struct proxy *proxy, unsigned member);
uint16_t proxy_inner_port(const struct proxy *proxy, unsigned member);
/* The process that is the member now. */
void proxy_set_process(struct proxy *proxy, unsigned member, pid_t pid);
/* Cuts or heals the connections that `from` dials to `to`, existing ones and new ones. */
void proxy_set_cut(struct proxy *proxy, unsigned from, unsigned to, bool is_cut);
/* All connections from and to the member. */
void proxy_isolate(struct proxy *proxy, unsigned member, bool is_cut);

#endif
