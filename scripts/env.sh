# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# Sourced by the scripts here: where the cache is and which kernels there are.

CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/ipcchan
export CACHE

# release SERIES[-generic]: the newest installed release with headers.
release() {
	case $1 in
	6.1) set -- '6.1.*-cloud-amd64' ;;
	6.1-generic) set -- '6.1.*-amd64' ;;
	6.12) set -- '6.12.*-cloud-amd64' ;;
	6.12-generic) set -- '6.12.*-amd64' ;;
	*) return 1 ;;
	esac
	newest=
	for d in /lib/modules/$1/build; do
		[ -e "$d/Makefile" ] || continue
		d=${d%/build}
		d=${d##*/}
		case $1:$d in
		*cloud*:*) ;;
		*:*-cloud-* | *:*-rt-*) continue ;;
		esac
		newest=$(printf '%s\n%s\n' "$newest" "$d" | sort -V | tail -n 1)
	done
	[ -n "$newest" ] && echo "$newest"
}

# image_dir RELEASE: where the unpacked image package is kept.
image_dir() { echo "$CACHE/images/$1"; }

# source_version: what the debug kernel is built from.
source_version() { dpkg-query -W -f '${Version}' linux-source-6.12; }

# source_dir: the unpacked sources.
source_dir() { echo "$CACHE/source/$(source_version)"; }
