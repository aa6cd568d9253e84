#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# demo.sh FILE: the story that `make demo` tells, told where the module is
# loaded and we are root. Ends with 0 only if all it says has been seen.
set -u

file=$1
PATH=$(cd "$(dirname "$0")" && pwd):$PATH
alice=1000 bob=1001 carol=1002 dave=1003
viewers=2000		# a group: bob and carol are in it, dave is not
camera=u$alice/camera
work=$(mktemp -d)
chmod 1777 "$work"
params=/sys/module/ipcchan/parameters

title() { printf '\n=== %s\n' "$*"; }
fail() {
	printf '    NOT SO: %s\n' "$*"
	exit 1
}
seen() { printf '    seen: %s\n' "$*"; }

# shown WORD...: says what is run, runs it, shows what it says.
shown() {
	printf '  # %s\n' "$*"
	"$@" 2>&1 | sed 's/^/    /'
}

# as WHO COMMAND...: with a group of the same number, and viewers if he is one.
as() {
	groups=--groups=$viewers
	case $1 in
	alice) uid=$alice ;;
	bob) uid=$bob ;;
	carol) uid=$carol ;;
	dave) uid=$dave groups=--clear-groups ;;
	esac
	shift
	exec setpriv --reuid "$uid" --regid "$uid" $groups "$@"
}

clean_up() {
	for pid in $all; do kill "$pid" 2>/dev/null; done
	rm -rf "$work"
}
all=
trap clean_up EXIT
trap 'exit 1' INT TERM

accounts() {
	echo "channels $(cat $params/channels) ports $(cat $params/ports) bytes $(cat $params/bytes)"
}

# field NAME: of what a program reported on standard input, as name=value.
field() { sed -n "s/.*\\<$1=\\([^ ]*\\).*/\\1/p" | head -n 1; }

# wait_ports CHANNEL N: until it has so many.
wait_ports() {
	for i in $(seq 600); do
		[ "$(ipcadm -j port show "$1" 2>/dev/null | grep -c '"port-id"')" -ge "$2" ] && return
		sleep 0.05
	done
	fail "$1 has not got $2 ports"
}

ends() { # PID WHO
	wait "$1" || fail "$2 failed"
}

the_channel() {
	title "alice makes a channel that the group of viewers may read"
	shown as alice ipcadm channel add $camera type topic depth 16 arena 16M \
		max-message 614400 mode 0640 group $viewers persistent
	shown ipcadm channel show $camera
	ipcadm -j channel show $camera | grep -q "\"name\": *\"$camera\"" || fail "it is not there"

	title "dave is no viewer"
	as dave subscribe $camera >"$work/dave" 2>&1 &
	wait $! && fail "dave may receive"
	sed 's/^/    /' "$work/dave"
	grep -q 'no right to receive' "$work/dave" || fail "he was refused for another reason"
	seen "refused, and why"
}

the_file() {
	bytes=$(stat -c %s "$file")
	title "alice sends a file of $bytes bytes, bob and carol receive it"
	echo "    $(basename "$file") of this system; a pipeline for each: ipccat"
	as bob sh -c "ipccat recv $camera | sha256sum" >"$work/sum.bob" &
	b=$!
	as carol sh -c "ipccat recv $camera | sha256sum" >"$work/sum.carol" &
	c=$!
	all="$all $b $c"
	as alice ipccat send -n 2 $camera <"$file" &
	ends $! "alice's ipccat"
	ends $b "bob's ipccat"
	ends $c "carol's ipccat"
	sum=$(sha256sum <"$file")
	printf '    %-6s %s\n' file "$sum" bob "$(cat "$work/sum.bob")" carol "$(cat "$work/sum.carol")"
	[ "$sum" = "$(cat "$work/sum.bob")" ] || fail "bob has got something else"
	[ "$sum" = "$(cat "$work/sum.carol")" ] || fail "carol has got something else"
	seen "three times the same checksum"
}

# The sender's count, as the module tells it.
sent() { ipcadm -j port show $camera | sed -n 's/.*"sent": *\([0-9]*\).*/\1/p' | sort -n | tail -n 1; }

the_frames() {
	title "alice publishes frames, 640 x 480 pixels, cut from the file, 40 in a second"
	as bob subscribe $camera >"$work/frames.bob" &
	b=$!
	as carol subscribe $camera >"$work/frames.carol" &
	c=$!
	as alice publish -p 2 -n 300 -r 40 $camera "$file" >"$work/frames.alice" &
	a=$!
	all="$all $a $b $c"
	wait_ports $camera 3

	title "another subscriber of carol's takes a frame, and is killed with -9 while reading it"
	as carol subscribe -d 600000 $camera >/dev/null 2>&1 &
	k=$!
	all="$all $k"
	wait_ports $camera 4
	for i in $(seq 100); do
		ipcadm -j port show $camera | grep -q '"held": *1' && break
		sleep 0.05
	done
	ipcadm -j port show $camera | grep -q '"held": *1' || fail "it holds no frame"
	shown ipcadm channel show $camera
	shown ipcadm port show $camera
	kill -9 $k
	wait $k 2>/dev/null
	[ $? -eq 137 ] || fail "it was not killed"
	before=$(sent)
	sleep 0.5
	after=$(sent)
	printf '    killed at frame %s; half a second later alice is at frame %s\n' "$before" "$after"
	[ "$after" -gt "$before" ] || fail "the stream stands still"
	ends $a alice
	ends $b bob
	ends $c carol
	for who in alice bob carol; do
		printf '    %-6s %s\n' $who "$(head -n 1 "$work/frames.$who")"
		[ "$(field checksum <"$work/frames.$who")" = "$(field checksum <"$work/frames.alice")" ] ||
			fail "$who has other frames"
		[ "$(field frames <"$work/frames.$who")" = 300 ] || fail "$who has not got all"
	done
	for who in bob carol; do
		printf '    %-6s %s\n' $who "$(grep age "$work/frames.$who") (from published to received)"
		[ "$(field gaps <"$work/frames.$who")" = 0 ] || fail "$who has missed some"
	done
	seen "every frame, in order, with the same checksum, whoever died"
}

# calls FILE: all system calls that strace -c counted.
calls() { awk '$NF == "total" { print $(NF == 5 ? 3 : 4) }' "$1"; }

the_rate() {
	n=200000
	title "how fast, at what cost: $n messages of 64 bytes, both processes polling for a second before they sleep"
	for round in free traced; do
		s= p=
		if [ $round = traced ]; then
			s="strace -f -c -o $work/strace.subscribe"
			p="strace -f -c -o $work/strace.publish"
		fi
		as bob $s subscribe -w 1000 $camera >"$work/rate.subscribe" &
		b=$!
		as alice $p publish -w 1000 -n $n -s 64 $camera "$file" >"$work/rate.publish" &
		a=$!
		all="$all $a $b"
		ends $a alice
		ends $b bob
		[ "$(field checksum <"$work/rate.publish")" = "$(field checksum <"$work/rate.subscribe")" ] ||
			fail "bob has other messages"
		[ $round = free ] && cat "$work/rate.publish" "$work/rate.subscribe" >"$work/rate"
	done
	grep -E 'published|received' "$work/rate" | sed 's/^/    /'
	printf '    messages a second: %s\n' "$(field rate <"$work/rate")"
	asked=$(awk '{ for (i = 1; i <= NF; i++) if (split($i, f, "=") == 2 && (f[1] == "kicks" || f[1] == "waits")) n += f[2] } END { print n + 0 }' "$work/rate")
	printf '    system calls for messages, both together, by the library: %s, or %s a message\n' \
		"$asked" "$(awk "BEGIN { printf \"%.6f\", $asked / $n }")"
	total=0
	for who in publish subscribe; do
		made=$(calls "$work/strace.$who")
		[ -n "$made" ] || fail "strace has counted nothing"
		total=$((total + made))
		printf '    %s, from start to end, by strace: %s\n' $who "$made"
	done
	printf '    that is %s a message, starting and ending included\n' \
		"$(awk "BEGIN { printf \"%.6f\", $total / $n }")"
	[ $((asked * 100)) -lt $n ] && [ $((total * 100)) -lt $n ] ||
		fail "that is more than one in a hundred messages"
	seen "less than one system call in a hundred messages"
}

the_end() {
	title "alice removes the channel"
	shown as alice ipcadm channel del $camera
	for i in $(seq 40); do
		[ "$(accounts)" = "$before_all" ] && break
		sleep 0.05
	done
	printf '    %s\n' "$(accounts)"
	[ "$(accounts)" = "$before_all" ] || fail "something is left"
	seen "everything is given back"
}

[ -e /dev/ipcchan ] || fail "there is no /dev/ipcchan"
before_all=$(accounts)
title "Linux $(uname -r), $(nproc) CPUs, ipcchan loaded: $before_all"
the_channel
the_file
the_frames
the_rate
the_end
printf '\nAll of this was checked.\n'
