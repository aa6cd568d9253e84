/* SPDX-License-Identifier: GPL-2.0 */
/* Open files. */
#include "machine.h"

static struct sim_file **place_of(int fd)
{
	return &sim_machine->files[fd - SIM_FIRST_FD];
}

/* NULL: there are too many. */
struct sim_file *sim_file_open(void)
{
	struct sim_file *file;
	int fd = SIM_FIRST_FD;

	while (fd < SIM_FIRST_FD + SIM_FILES && *place_of(fd))
		fd++;
	if (fd == SIM_FIRST_FD + SIM_FILES)
		return NULL;
	file = *place_of(fd) = sim_alloc(sizeof(*file));
	file->fd = fd;
	file->owner = current->mm;
	mmgrab(file->owner);
	file->file.f_mode = FMODE_READ | FMODE_WRITE;
	file->file.private_data = &file->f;
	file->inode.i_mapping = &file->mapping;
	file->f.inode = &file->inode;
	file->f.in = &sim_machine->net;
	mutex_init(&file->f.attach);
	return file;
}

struct sim_file *sim_file_find(int fd)
{
	struct sim_file *file;

	if (fd < SIM_FIRST_FD || fd >= SIM_FIRST_FD + SIM_FILES)
		return NULL;
	file = *place_of(fd);
	return file && !file->closed ? file : NULL;
}

/* Whose own region, or window, begins there in this process? */
struct sim_file *sim_file_mapped(const u8 *at)
{
	for (int fd = SIM_FIRST_FD; fd < SIM_FIRST_FD + SIM_FILES; fd++) {
		struct sim_file *file = *place_of(fd);

		if (file && file->f.port && file->f.port->mm == current->mm &&
		    (file->own == at || file->window == at))
			return file;
	}
	return NULL;
}

struct sim_file *sim_file_of(const struct ipcchan_port *port)
{
	return container_of(port->mapping, struct sim_file, mapping);
}

static void release(struct sim_file *file)
{
	if (file->f.port)
		sim_release_slots(file->f.port);
	ipcchan_port_free(file->f.port);
	ipcchan_grant_free(file->f.grant);
	mmdrop(file->owner);
	*place_of(file->fd) = NULL;
	sim_free(file);
}

/* As kmod/file.c; of a file being made nobody else knows. */
int ipcchan_file_make(struct ipcchan_net *in, struct ipcchan_making *making)
{
	struct sim_file *file = sim_file_open();

	(void)in;
	if (!file)
		return -EMFILE;
	file->f.made = true;
	*making = (struct ipcchan_making){ &file->f, &file->file, file->fd };
	return 0;
}

void ipcchan_file_install(struct ipcchan_making *making)
{
	(void)making;
}

void ipcchan_file_drop(struct ipcchan_making *making)
{
	release(container_of(making->f, struct sim_file, f));
}

/* A file that was closed lives as long as something of it is mapped. */
void sim_file_put(struct sim_file *file)
{
	if (file->closed && !file->own && !file->window)
		release(file);
}

static void bury_mappings(struct sim_file *file, const struct mm_struct *mm)
{
	struct ipcchan_port *port = file->f.port;

	if (!port || port->mm != mm)
		return;
	sim_unmap_own(file);
	sim_unmap_window(file);
	ipcchan_port_detach(port, IPCCHAN_REASON_CLOSED);
}

void sim_files_bury(const struct mm_struct *mm)
{
	for (int fd = SIM_FIRST_FD; fd < SIM_FIRST_FD + SIM_FILES; fd++) {
		struct sim_file *file = *place_of(fd);

		if (!file)
			continue;
		bury_mappings(file, mm);
		file->closed |= file->owner == mm;
		sim_file_put(file);
	}
}
