// SPDX-License-Identifier: GPL-2.0
/*
 * Type labels: who attaches may say what he takes the messages for, and is
 * refused if the channel is of something else.
 *
 * What breaks these: ipcchan_channel_check_label(), check_fits() in port.c.
 */
#include <kselftest_harness.h>

#include "common.h"

#define LONGEST	"0123456789 abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXY"

static const char another[] = "the channel carries another label";
static const char none[] = "the channel carries no label";

FIXTURE(label) {
	struct accounts before;
	char name[IPCCHAN_NAME_SIZE];
	int fd;
};

FIXTURE_SETUP(label)
{
	accounts_read(&self->before);
	unique_name(self->name, "label");
	self->fd = device_open();
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(label)
{
	drop_channel(self->name);
	close(self->fd);
	EXPECT_TRUE(accounts_settle(&self->before));
}

/* @size bytes of the field, of which the rest is zero. */
static int create_labelled(FIXTURE_DATA(label) *self, const void *label, size_t size)
{
	struct ipcchan_create args = create_args(self->name);

	drop_channel(self->name);
	args.mode = 0644;
	memcpy(args.label, label, size);
	return call_create(self->fd, &args);
}

static int create_with(FIXTURE_DATA(label) *self, const char *label)
{
	return create_labelled(self, label, strlen(label));
}

static int attach_labelled(FIXTURE_DATA(label) *self, const void *label, size_t size)
{
	struct ipcchan_attach args = attach_args(self->name, IPCCHAN_SEND);
	int fd = device_open(), err;

	if (fd < 0)
		return fd;
	memcpy(args.label, label, size);
	err = call_attach(fd, &args);
	close(fd);
	return err;
}

static int attach_with(FIXTURE_DATA(label) *self, const char *label)
{
	return attach_labelled(self, label, strlen(label));
}

#define EXPECT_REFUSED(err, words, does) \
	do { \
		EXPECT_EQ(err, does); \
		EXPECT_STREQ(words, why); \
	} while (0)

TEST_F(label, compared)
{
	ASSERT_EQ(0, create_with(self, "imu/3"));
	EXPECT_EQ(0, attach_with(self, "imu/3")) TH_LOG("%s", why);
	EXPECT_EQ(0, attach_with(self, "")) TH_LOG("%s", why);
	EXPECT_REFUSED(-EPROTOTYPE, another, attach_with(self, "imu/4"));
	EXPECT_REFUSED(-EPROTOTYPE, another, attach_with(self, "imu/"));
	EXPECT_REFUSED(-EPROTOTYPE, another, attach_with(self, "imu/33"));
	EXPECT_REFUSED(-EPROTOTYPE, another, attach_with(self, "IMU/3"));
	EXPECT_REFUSED(-EPROTOTYPE, another, attach_with(self, " imu/3"));
	EXPECT_EQ(0, attach_with(self, "imu/3")) TH_LOG("%s", why);
}

TEST_F(label, none)
{
	ASSERT_EQ(0, create_with(self, ""));
	EXPECT_EQ(0, attach_with(self, "")) TH_LOG("%s", why);
	EXPECT_REFUSED(-EPROTOTYPE, none, attach_with(self, "imu/3"));
	EXPECT_REFUSED(-EPROTOTYPE, none, attach_with(self, " "));
}

TEST_F(label, told)
{
	static const char zeros[IPCCHAN_LABEL_SIZE];
	struct ipcchan_lookup lookup;

	ASSERT_EQ(0, create_with(self, "a b"));
	ASSERT_EQ(0, call_lookup(self->fd, self->name, &lookup));
	EXPECT_STREQ("a b", lookup.label);
	EXPECT_EQ(0, memcmp(lookup.label + 3, zeros, sizeof(zeros) - 3));
	ASSERT_EQ(0, create_with(self, ""));
	ASSERT_EQ(0, call_lookup(self->fd, self->name, &lookup));
	EXPECT_EQ(0, memcmp(lookup.label, zeros, sizeof(zeros)));
}

/* What lies after the NUL is nobody's business, and is not passed on. */
TEST_F(label, rest_of_the_field)
{
	char field[IPCCHAN_LABEL_SIZE];
	struct ipcchan_lookup lookup;

	memset(field, 0xaa, sizeof(field));
	strcpy(field, "type");
	ASSERT_EQ(0, create_labelled(self, field, sizeof(field))) TH_LOG("%s", why);
	EXPECT_EQ(0, attach_with(self, "type")) TH_LOG("%s", why);
	EXPECT_EQ(0, attach_labelled(self, field, sizeof(field))) TH_LOG("%s", why);
	ASSERT_EQ(0, call_lookup(self->fd, self->name, &lookup));
	for (size_t i = 4; i < sizeof(field); i++) {
		EXPECT_EQ(0, lookup.label[i]);
	}
}

TEST_F(label, lengths)
{
	static const char longer[] = "the label is longer than 63 characters";
	char field[IPCCHAN_LABEL_SIZE];
	struct ipcchan_lookup lookup;

	_Static_assert(sizeof(LONGEST) == IPCCHAN_LABEL_SIZE, "63 and a NUL");
	memset(field, 'x', sizeof(field));
	EXPECT_REFUSED(-EINVAL, longer, create_labelled(self, field, sizeof(field)));
	EXPECT_FALSE(channel_exists(self->name));
	ASSERT_EQ(0, create_with(self, LONGEST)) TH_LOG("%s", why);
	ASSERT_EQ(0, call_lookup(self->fd, self->name, &lookup));
	EXPECT_STREQ(LONGEST, lookup.label);
	EXPECT_EQ(0, attach_with(self, LONGEST)) TH_LOG("%s", why);
	EXPECT_REFUSED(-EINVAL, longer, attach_labelled(self, field, sizeof(field)));
	memcpy(field, LONGEST, sizeof(field));
	field[62] = 'Z';
	EXPECT_REFUSED(-EPROTOTYPE, another, attach_labelled(self, field, sizeof(field)));
}

TEST_F(label, characters)
{
	for (int c = 1; c < 256; c++) {
		bool printable = c >= 0x20 && c <= 0x7e;
		char text[4] = { 'a', (char)c, 'b', 0 };

		ASSERT_EQ(printable ? 0 : -EINVAL, create_with(self, text)) TH_LOG("%d", c);
		if (printable) {
			ASSERT_EQ(0, attach_with(self, text)) TH_LOG("%d: %s", c, why);
			continue;
		}
		ASSERT_STREQ("a label is printable ASCII", why);
		ASSERT_EQ(0, create_with(self, "ab"));
		ASSERT_EQ(-EINVAL, attach_with(self, text)) TH_LOG("%d", c);
		ASSERT_STREQ("a label is printable ASCII", why);
	}
}

/* Who has no right to the channel does not learn of what it is. */
static int attach_task(void *label)
{
	return attach_with(label, "wrong");
}

TEST_F(label, rights_first)
{
	ASSERT_EQ(0, create_with(self, "right"));	/* the others may only receive */
	EXPECT_REFUSED(-EACCES, "no right to send", run_as(ALICE, attach_task, self));
	EXPECT_REFUSED(-EPROTOTYPE, another, attach_with(self, "wrong"));
}

TEST_HARNESS_MAIN
