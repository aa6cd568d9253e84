/* SPDX-License-Identifier: GPL-2.0 */
/* What ports see of the simulated device's pages, and may do to them. */
#include "simtest.h"

#include "../../lib/device.h"

#define SEGV	77

struct raw {
	int fd;
	struct ipcchan_attach args;
	struct ipcchan_layout layout;
	uint8_t *window;
	uint8_t *own;
};

static void create(const char *name)
{
	struct ipcchan_options options;

	ipcchan_options_init(&options);
	options.depth = 8;
	options.senders = 3;
	options.receivers = 5;
	options.holds = 4;
	options.arena = 8 << 10;
	options.flags = IPCCHAN_OPEN_PERSISTENT;
	assert_ok(ipcchan_create(name, &options, NULL));
}

static struct raw attach(const char *name, uint32_t role)
{
	struct raw r = { .args = { .size = sizeof(r.args), .role = role } };

	strcpy(r.args.name, name);
	r.fd = ipcchan_device_open();
	assert_true(r.fd >= 0);
	assert_ok(ipcchan_device_call(r.fd, IPCCHAN_IOC_ATTACH, &r.args));
	ipcchan_layout(&r.layout, &r.args.geometry, r.args.type, (uint64_t)sysconf(_SC_PAGESIZE));
	assert_ok(ipcchan_device_map(r.fd, r.args.window_offset, r.args.window_size, false,
				     &r.window));
	assert_ok(ipcchan_device_map(r.fd, r.args.own_offset, r.args.own_size, true, &r.own));
	return r;
}

static void detach(struct raw *r)
{
	ipcchan_device_unmap(r->own, r->args.own_size);
	ipcchan_device_unmap(r->window, r->args.window_size);
	ipcchan_device_close(r->fd);
}

static const uint8_t *place_of_outbox(const struct raw *r, uint32_t slot)
{
	return r->window + r->layout.window_outboxes + slot * r->layout.outbox_size;
}

static const uint8_t *place_of_receipts(const struct raw *r, uint32_t slot)
{
	return r->window + r->layout.window_receipts + slot * r->layout.receipts_size;
}

static const struct ipcchan_roster *roster(const struct raw *r)
{
	return (const struct ipcchan_roster *)r->window;
}

static void each_sees_what_others_write(void **state)
{
	struct raw both, tx, rx;

	(void)state;
	create("m");
	tx = attach("m", SEND);
	both = attach("m", SEND | RECEIVE);
	rx = attach("m", RECEIVE);
	assert_int_equal(both.args.sender_slot, 1);
	assert_int_equal(rx.args.receiver_slot, 1);
	assert_int_equal(both.args.own_size, both.layout.receipts_size + both.layout.outbox_size);

	memset(tx.own, 1, tx.args.own_size);
	memset(both.own, 2, both.layout.receipts_size);
	memset(both.own + both.layout.receipts_size, 3, both.layout.outbox_size);
	memset(rx.own, 4, rx.args.own_size);
	for (uint64_t i = 0; i < rx.layout.outbox_size; i++) {
		assert_int_equal(place_of_outbox(&rx, 0)[i], 1);
		assert_int_equal(place_of_outbox(&both, 1)[i], 3);
		assert_int_equal(place_of_outbox(&rx, 2)[i], 0);
	}
	for (uint64_t i = 0; i < rx.layout.receipts_size; i++) {
		assert_int_equal(place_of_receipts(&tx, 0)[i], 2);
		assert_int_equal(place_of_receipts(&tx, 1)[i], 4);
		assert_int_equal(place_of_receipts(&tx, 2)[i], 0);
	}
	detach(&tx);
	detach(&both);
	detach(&rx);
}

static void on_fault(int signal)
{
	(void)signal;
	_exit(SEGV);
}

static volatile uint8_t *target;
static bool writes;

static int touch(void)
{
	struct sigaction action = { .sa_handler = on_fault };

	sigaction(SIGSEGV, &action, NULL);
	if (writes)
		*target = 1;
	else
		return *target ? 2 : 3;
	return 0;
}

static int try_to(bool write, const uint8_t *at)
{
	target = (volatile uint8_t *)(uintptr_t)at;
	writes = write;
	return WEXITSTATUS(reap(spawn(touch)));
}

/* In a child, for which the port is another's, nothing is mapped. */
static void child_inherits_nothing(void **state)
{
	struct raw r;

	(void)state;
	create("m");
	r = attach("m", SEND | RECEIVE);
	assert_int_equal(try_to(false, r.own), SEGV);
	assert_int_equal(try_to(false, r.window), SEGV);
	assert_int_equal(try_to(true, r.own), SEGV);
	detach(&r);
}

static uint64_t offset_in_window;

/* Attaches and writes where it must not: it is for the MMU to say so. */
static int write_to_window(void)
{
	struct sigaction action = { .sa_handler = on_fault };
	struct raw r = attach("m", SEND | RECEIVE);

	r.own[0] = 1;
	sigaction(SIGSEGV, &action, NULL);
	*(volatile uint8_t *)(r.window + offset_in_window) = 1;
	return 0;
}

static void nobody_writes_to_a_window(void **state)
{
	struct raw r;

	(void)state;
	create("m");
	r = attach("m", SEND);
	for (uint64_t offset = 0; offset < r.args.window_size; offset += 4096) {
		offset_in_window = offset;
		assert_int_equal(WEXITSTATUS(reap(spawn(write_to_window))), SEGV);
	}
	detach(&r);
}

static void maps_exactly_the_regions(void **state)
{
	struct ipcchan_attach a;
	struct raw r;
	uint8_t *at;

	(void)state;
	create("m");
	r = attach("m", SEND);
	a = r.args;
	assert_error(ipcchan_device_map(r.fd, a.own_offset, a.own_size, true, &at), EBUSY);
	assert_error(ipcchan_device_map(r.fd, a.window_offset, a.window_size, false, &at), EBUSY);
	assert_error(ipcchan_device_map(r.fd, a.window_offset, a.window_size, true, &at), EACCES);
	assert_error(ipcchan_device_map(r.fd, a.own_offset, a.own_size + 4096, true, &at), EINVAL);
	assert_error(ipcchan_device_map(r.fd + 1, a.own_offset, a.own_size, true, &at), EBADF);
	detach(&r);
	r.fd = ipcchan_device_open();
	assert_error(ipcchan_device_map(r.fd, a.own_offset, a.own_size, true, &at), ENOTCONN);
	ipcchan_device_close(r.fd);
}

/* A slot's next owner finds zeros, and so does who looks in between. */
static void a_place_is_zeros_between_owners(void **state)
{
	struct raw tx, rx;

	(void)state;
	create("m");
	tx = attach("m", SEND | RECEIVE);
	rx = attach("m", SEND | RECEIVE);
	memset(tx.own, 0xff, tx.layout.receipts_size);
	memset(tx.own + tx.layout.receipts_size + tx.layout.arena, 0xff, tx.args.geometry.arena);
	assert_int_equal(place_of_receipts(&rx, 0)[8], 0xff);
	assert_int_equal(place_of_outbox(&rx, 0)[tx.layout.arena], 0xff);
	detach(&tx);
	assert_int_equal(place_of_receipts(&rx, 0)[8], 0);
	assert_int_equal(place_of_outbox(&rx, 0)[tx.layout.arena], 0);
	tx = attach("m", SEND | RECEIVE);
	assert_int_equal(tx.args.sender_slot, 0);
	for (uint64_t i = sizeof(struct ipcchan_receipts) + sizeof(struct ipcchan_cursor) * 3;
	     i < tx.args.own_size; i++)
		assert_int_equal(tx.own[i], 0);
	detach(&tx);
	detach(&rx);
}

/* An evicted port of this process sees zeros, and keeps what is its own. */
static void evicted_port_is_alone(void **state)
{
	struct raw bad, rx, next;

	(void)state;
	create("m");
	bad = attach("m", SEND | RECEIVE);
	rx = attach("m", SEND | RECEIVE);
	memset(bad.own, 0xff, bad.args.own_size);
	assert_true(roster(&bad)->sender_generation > 1);
	assert_ok(sim_evict("m", bad.args.port_id));

	assert_true(roster(&rx)->sender_generation > 1);
	for (uint64_t i = 0; i < bad.args.window_size; i++)
		assert_int_equal(bad.window[i], 0);
	assert_int_equal(place_of_receipts(&rx, 0)[8], 0);
	assert_int_equal(place_of_outbox(&rx, 0)[8], 0);
	for (uint64_t i = 0; i < bad.args.own_size; i++)
		assert_int_equal(bad.own[i], 0xff);
	next = attach("m", SEND | RECEIVE);
	assert_int_equal(next.args.sender_slot, 0);
	memset(bad.own, 0xee, bad.args.own_size);
	assert_int_equal(next.own[8], 0);
	assert_int_equal(place_of_outbox(&rx, 0)[8], 0);
	detach(&next);
	detach(&bad);
	detach(&rx);
}

/* Waits to be evicted, writes all over its own region, and only then lets go. */
static int linger(void)
{
	struct raw r = attach("m", SEND | RECEIVE);

	while (ipcchan_load(&roster(&r)->sender_generation))
		usleep(100);
	memset(r.own, 0xff, r.args.own_size);
	detach(&r);
	return 0;
}

/* Of another process: its slots have no new owner before it has let go of them. */
static void evicted_process_keeps_its_slots(void **state)
{
	struct raw rx, next;
	pid_t child;

	(void)state;
	create("m");
	rx = attach("m", RECEIVE);
	child = spawn(linger);
	while (!ipcchan_load(&roster(&rx)->sender_generation) ||
	       ipcchan_load(&roster(&rx)->sender_generation) == 1)
		usleep(100);
	assert_ok(sim_evict("m", 2));
	next = attach("m", SEND | RECEIVE);
	assert_int_equal(next.args.sender_slot, 1);
	assert_int_equal(next.args.receiver_slot, 2);
	detach(&next);
	assert_ok(reap(child));
	next = attach("m", SEND | RECEIVE);
	assert_int_equal(next.args.sender_slot, 0);
	assert_int_equal(next.args.receiver_slot, 1);
	assert_int_equal(next.own[8], 0);
	assert_int_equal(place_of_outbox(&rx, 0)[8], 0);
	detach(&next);
	detach(&rx);
}

/* The port is its process's alone. */
static int use_anothers(void)
{
	struct ipcchan_kick kick = { .size = sizeof(kick) };

	return -ipcchan_device_call((int)offset_in_window, IPCCHAN_IOC_KICK, &kick);
}

static void port_is_of_its_process(void **state)
{
	struct ipcchan_kick kick = { .size = sizeof(kick) };
	struct raw r;

	(void)state;
	create("m");
	r = attach("m", SEND);
	offset_in_window = (uint64_t)r.fd;
	assert_int_equal(WEXITSTATUS(reap(spawn(use_anothers))), EBUSY);
	assert_ok(ipcchan_device_call(r.fd, IPCCHAN_IOC_KICK, &kick));
	detach(&r);
	assert_error(ipcchan_device_call(r.fd, IPCCHAN_IOC_KICK, &kick), EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(each_sees_what_others_write),
		test(child_inherits_nothing),
		test(nobody_writes_to_a_window),
		test(maps_exactly_the_regions),
		test(a_place_is_zeros_between_owners),
		test(evicted_port_is_alone),
		test(evicted_process_keeps_its_slots),
		test(port_is_of_its_process),
	};

	alarm(60);
	return cmocka_run_group_tests_name("mapping", tests, NULL, NULL);
}
