// SPDX-License-Identifier: GPL-2.0
/* Figures of several windows, and what they come to. */
#include <stdlib.h>
#include <string.h>

#include "bars.h"

void figures_add(struct figures *figures, double figure)
{
	if (figures->n == MAX_WINDOWS)
		die("more than %d windows", MAX_WINDOWS);
	figures->of[figures->n++] = figure;
}

static int compare(const void *a, const void *b)
{
	double d = *(const double *)a - *(const double *)b;

	return (d > 0) - (d < 0);
}

struct summary figures_summary(const struct figures *figures)
{
	struct figures f = *figures;

	if (!f.n)
		die("no figures");
	qsort(f.of, f.n, sizeof(f.of[0]), compare);
	return (struct summary){
		.least = f.of[0],
		.median = (f.of[(f.n - 1) / 2] + f.of[f.n / 2]) / 2,
		.most = f.of[f.n - 1],
	};
}

/* Of the rounds, each by itself: so what was slow for both counts for neither. */
struct summary quotients_summary(const struct figures *above, const struct figures *below)
{
	struct figures f = { .n = above->n };

	for (size_t i = 0; i < f.n; i++)
		f.of[i] = above->of[i] / below->of[i];
	return figures_summary(&f);
}
