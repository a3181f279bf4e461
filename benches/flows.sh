#!/usr/bin/env bash
# Flows: vxdump beside cat, tcpdump and nfpcapd, and its memory.
#
#   benches/flows.sh [--packets N] [--runs N] [--folder DIR]
#
# Makes captures in a tmpfs (default /dev/shm) and prints
#  - for three mixes of make-capture, `small` and `short` (N packets, default 2,000,000: 0.8 GB) and
#    `tiny` (2.5 times as many: 0.65 GB): the best times of each program over so many runs (default
#    5; tcpdump 1) in turn, and how many times as long as vxdump with one thread it takes;
#  - the memory for a flow, of 2.5 N flows in as many packets: of the first 20, of all in each
#    format, and of all where nearly all end on the way;
#  - the memory and the time of 5 N flows at a limit of N / 2, beside the bound and the time of a
#    fifth of them.
# VXDUMP names the program (default: that of target/release, which is built). tcpdump and nfpcapd
# are passed over where they are not installed.
source "$(dirname -- "${BASH_SOURCE[0]}")/beside.sh"

begin "$@"
program VXDUMP vxdump
in=$work/in.pcap
mkdir "$work/nf"
commands=(
    "cat|$runs|cat $in"
    "tcpdump -nn|1|tcpdump -nn -r $in"
    "nfpcapd|$runs|nfpcapd -r $in -w $work/nf"
    "vxdump flows --threads 1|$runs|$VXDUMP flows --threads 1 --top 20 -r $in"
    "vxdump flows --threads 2|$runs|$VXDUMP flows --threads 2 --top 20 -r $in"
)

# of so many flows in as many packets, at this limit
limited() {
    capture flows "$1" "$in"
    once "$VXDUMP" flows --threads 1 --top 20 --max-flows "$2" -r "$in"
}

# of the flows in $in, shown so
memory_of() {
    local micros kib
    read -r micros _ kib <<< "$(once "$VXDUMP" flows --max-flows "$flows" "$@" -r "$in")"
    awk -v flows="$flows" -v micros="$micros" -v kib="$kib" -v how="$*" 'BEGIN {
        printf "%d flows, %-34s %5d MiB at the most, %3.0f bytes a flow, %6.3f s\n",
            flows, how ":", kib / 1024, kib * 1024 / flows, micros / 1e6 }'
}

for mix in "small $packets" "short $packets" "tiny $((packets * 5 / 2))"; do
    read -ra mix <<< "$mix"
    capture "${mix[@]}" "$in"
    compare "${commands[@]}"
    table "${mix[0]}, $(size "$in")" "vxdump flows --threads 1" "${commands[@]}"
done

flows=$((packets * 5 / 2))
capture flows "$flows" "$in"
memory_of --threads 1 --top 20
for format in text json csv; do
    for threads in 1 2; do memory_of --threads "$threads" --format "$format"; done
done
memory_of --threads 1 --idle-timeout 1
echo

flows=$((packets * 5)) limit=$((packets / 2))
read -r few _ _ <<< "$(limited $((flows / 5)) "$limit")"
read -r many _ kib <<< "$(limited "$flows" "$limit")"
awk -v flows="$flows" -v limit="$limit" -v few="$few" -v many="$many" -v kib="$kib" 'BEGIN {
    printf "%d flows, at most %d at a time: %d MiB at the most; the bound is %d MiB (300 bytes a flow, and 32 MiB)\n",
        flows, limit, kib / 1024, limit * 300 / 1048576 + 32
    printf "a packet: %.0f ns, of the first fifth %.0f ns\n", many * 1000 / flows, few * 1000 * 5 / flows }'
