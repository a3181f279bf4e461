#!/usr/bin/env bash
# Rewriting a capture: vxrewrite beside cp, editcap and tcprewrite.
#
#   benches/rewrite.sh [--packets N] [--runs N] [--folder DIR]
#
# Makes a capture of N packets (default 2,000,000: 0.8 GB) in a folder of a tmpfs (default: a new one in /dev/shm, taken away at
# the end), runs each command so many times (default 5) in turn, and prints of each the best time, its speed as a share of cp's,
# and the largest memory; then vxrewrite's memory for a quarter of the file. VXREWRITE names the program (default: that of
# target/release, which is built). editcap and tcprewrite are passed over where they are not installed.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
packets=2000000 runs=5 folder=
die() { echo "rewrite.sh: $*" >&2; exit 1; }
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
if [[ -z ${VXREWRITE:-} ]]; then
    cargo build --quiet --release --manifest-path "$root/Cargo.toml" -p vxrewrite
    VXREWRITE=$target/release/vxrewrite
fi
work=$(mktemp -d "${folder:-/dev/shm}/vxrewrite-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
in=$work/in.pcap out=$work/out.pcap
"$target/release/make-capture" small "$packets" "$in"
"$target/release/make-capture" small $((packets / 4)) "$work/quarter.pcap"

# name, then the command
commands=(
    "cp|cp $in $out"
    "editcap -C 50|editcap -C 50 -F pcap $in $out"
    "tcprewrite --portmap|tcprewrite --portmap=8472:4789 -i $in -o $out"
    "vxrewrite|$VXREWRITE -r $in -w $out"
    "vxrewrite --decap|$VXREWRITE -r $in -w $out --decap"
    "vxrewrite --to-port 4789|$VXREWRITE -r $in -w $out --to-port 4789"
)

# Runs a command once: microseconds, and the largest memory in KiB.
once() {
    rm -f "$out"
    local start=$EPOCHREALTIME
    /usr/bin/time -o "$work/memory" -f %M "$@" > "$work/said" 2>&1 || die "$*: $(tail -1 "$work/said")"
    local end=$EPOCHREALTIME
    echo $((${end/./} - ${start/./})) "$(< "$work/memory")"
}

declare -A best memory
for ((run = 0; run < runs; run++)); do
    for entry in "${commands[@]}"; do
        name=${entry%%|*}
        read -ra command <<< "${entry#*|}"
        command -v "${command[0]}" > /dev/null || continue
        read -r micros kib <<< "$(once "${command[@]}")"
        ((micros < ${best[$name]:-micros + 1})) && best[$name]=$micros
        ((kib > ${memory[$name]:-0})) && memory[$name]=$kib
    done
done

printf '%-26s %10s %12s %12s\n' "$(du -BM --apparent-size "$in" | cut -f1)" seconds 'speed of cp' 'memory KiB'
for entry in "${commands[@]}"; do
    name=${entry%%|*}
    [[ -n ${best[$name]:-} ]] || continue
    awk -v name="$name" -v micros="${best[$name]}" -v cp="${best[cp]}" -v kib="${memory[$name]}" \
        'BEGIN { printf "%-26s %10.3f %12.2f %12d\n", name, micros / 1e6, cp / micros, kib }'
done
read -r _ kib <<< "$(once "$VXREWRITE" -r "$work/quarter.pcap" -w "$out" --decap)"
printf '%-26s %10s %12s %12d\n' 'a quarter of it, --decap' '' '' "$kib"
