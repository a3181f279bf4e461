#!/usr/bin/env bash
# Rewriting a capture: vxrewrite beside cp, editcap and tcprewrite.
#
#   benches/rewrite.sh [--packets N] [--runs N] [--folder DIR]
#
# Makes a capture of N packets (default 2,000,000: 0.8 GB) in a tmpfs (default /dev/shm), runs each
# command so many times (default 5) in turn, each writing a file there, and prints the best times,
# how many times as long as cp each takes, and the largest memory; then vxrewrite's memory for a
# quarter of the file. VXREWRITE names the program (default: that of target/release, which is
# built). editcap and tcprewrite are passed over where they are not installed.
source "$(dirname -- "${BASH_SOURCE[0]}")/beside.sh"

begin "$@"
program VXREWRITE vxrewrite
in=$work/in.pcap out=$work/out.pcap
capture small "$packets" "$in"

commands=(
    "cp|$runs|cp $in $out"
    "editcap -C 50|$runs|editcap -C 50 -F pcap $in $out"
    "tcprewrite --portmap|$runs|tcprewrite --portmap=8472:4789 -i $in -o $out"
    "vxrewrite|$runs|$VXREWRITE -r $in -w $out"
    "vxrewrite --decap|$runs|$VXREWRITE -r $in -w $out --decap"
    "vxrewrite --to-port 4789|$runs|$VXREWRITE -r $in -w $out --to-port 4789"
)
before() { rm -f "$out"; }
compare "${commands[@]}"
table "$(size "$in")" cp "${commands[@]}"

kib=${memory[vxrewrite --decap]}
capture small $((packets / 4)) "$in"
read -r _ _ quarter <<< "$(once "$VXREWRITE" -r "$in" -w "$out" --decap)"
echo "vxrewrite --decap: $kib KiB at the most, of a quarter of the file $quarter KiB"
