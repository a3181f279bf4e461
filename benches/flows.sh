#!/usr/bin/env bash
# Flows: vxdump beside cat, tcpdump and nfpcapd, and its memory.
#
#   benches/flows.sh [--packets N] [--runs N] [--folder DIR]
#
# Makes captures in a folder of a tmpfs (default: a new one in /dev/shm, taken away at the end) and prints
#  - for two mixes of make-capture, `small` (N packets, default 2,000,000: 0.8 GB) and `tiny` (2.5 times as many: 0.65 GB): the
#    best times of each program over so many runs (default 5; tcpdump 1) in turn, and how many times as long as vxdump with
#    one thread it takes;
#  - the memory for a flow, of 2.5 N flows in as many packets;
#  - the memory and the time of 5 N flows at a limit of N / 2, beside the bound and the time of a fifth of them.
# VXDUMP names the program (default: that of target/release, which is built). tcpdump and nfpcapd are passed over where they
# are not installed.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
packets=2000000 runs=5 folder=
die() { echo "flows.sh: $*" >&2; exit 1; }
while (($#)); do
    case $1 in
        --packets | --runs | --folder)
            (($# > 1)) || die "$1 needs a value"
            printf -v "${1#--}" %s "$2"
            shift
            ;;
        -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" && exit 0 ;;
        *) die "unknown argument $1" ;;
    esac
    shift
done
[[ $packets =~ ^[1-9][0-9]*$ && $runs =~ ^[1-9][0-9]*$ ]] || die "--packets and --runs are numbers"
[[ -x /usr/bin/time ]] || die "GNU time is needed: it tells the memory"

target=${CARGO_TARGET_DIR:-$root/target}
cargo build --quiet --release --manifest-path "$root/Cargo.toml" -p vxdump-benches --bin make-capture
if [[ -z ${VXDUMP:-} ]]; then
    cargo build --quiet --release --manifest-path "$root/Cargo.toml" -p vxdump
    VXDUMP=$target/release/vxdump
fi
work=$(mktemp -d "${folder:-/dev/shm}/vxdump-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
in=$work/in.pcap

# Runs a command once: microseconds, those of the processor, and the largest memory in KiB.
once() {
    local start=$EPOCHREALTIME cpu
    /usr/bin/time -o "$work/said" -f '%U %S %M' "$@" > /dev/null 2>&1 || die "$* failed"
    local end=$EPOCHREALTIME
    cpu=$(awk '{ printf "%d %d", ($1 + $2) * 1e6, $3 }' "$work/said")
    echo $((${end/./} - ${start/./})) "$cpu"
}

# name, how often at most, then the command
mkdir "$work/nf"
commands=(
    "cat|$runs|cat $in"
    "tcpdump -nn|1|tcpdump -nn -r $in"
    "nfpcapd|$runs|nfpcapd -r $in -w $work/nf"
    "vxdump flows --threads 1|$runs|$VXDUMP flows --threads 1 --top 20 -r $in"
    "vxdump flows --threads 2|$runs|$VXDUMP flows --threads 2 --top 20 -r $in"
)

compare() {
    "$target/release/make-capture" "$1" "$2" "$in"
    local -A best=() cpus=()
    for ((run = 0; run < runs; run++)); do
        for entry in "${commands[@]}"; do
            IFS='|' read -r name most line <<< "$entry"
            read -ra command <<< "$line"
            ((run < most)) && command -v "${command[0]}" > /dev/null || continue
            read -r micros cpu _ <<< "$(once "${command[@]}")"
            ((micros < ${best[$name]:-micros + 1})) && best[$name]=$micros
            ((cpu < ${cpus[$name]:-cpu + 1})) && cpus[$name]=$cpu
        done
    done
    printf '%-32s %10s %10s %16s\n' "$1, $(du -BM --apparent-size "$in" | cut -f1)" seconds processor 'times one thread'
    for entry in "${commands[@]}"; do
        name=${entry%%|*}
        [[ -n ${best[$name]:-} ]] || continue
        awk -v name="$name" -v micros="${best[$name]}" -v cpu="${cpus[$name]}" -v one="${best[vxdump flows --threads 1]}" \
            'BEGIN { printf "%-32s %10.3f %10.3f %16.2f\n", name, micros / 1e6, cpu / 1e6, micros / one }'
    done
    echo
}

# of so many flows in as many packets, at this limit
memory() {
    "$target/release/make-capture" flows "$1" "$in"
    once "$VXDUMP" flows --threads 1 --top 20 --max-flows "$2" -r "$in"
}

compare small "$packets"
compare tiny $((packets * 5 / 2))

flows=$((packets * 5 / 2))
read -r _ _ kib <<< "$(memory "$flows" "$flows")"
awk -v flows="$flows" -v kib="$kib" 'BEGIN {
    printf "%d flows: %d MiB at the most, %.0f bytes a flow\n", flows, kib / 1024, kib * 1024 / flows }'

flows=$((packets * 5)) limit=$((packets / 2))
read -r few _ _ <<< "$(memory $((flows / 5)) "$limit")"
read -r many _ kib <<< "$(memory "$flows" "$limit")"
awk -v flows="$flows" -v limit="$limit" -v few="$few" -v many="$many" -v kib="$kib" 'BEGIN {
    printf "%d flows, at most %d at a time: %d MiB at the most; the bound is %d MiB (300 bytes a flow, and 32 MiB)\n",
        flows, limit, kib / 1024, limit * 300 / 1048576 + 32
    printf "a packet: %.0f ns, of the first fifth %.0f ns\n", many * 1000 / flows, few * 1000 * 5 / flows }'
