#!/usr/bin/env bash
# Instructions that the programs' main jobs take, counted by callgrind: noise of the machine does
# not move them.
#
#   benches/instructions.sh [--bless] [JOB...]
#
# Runs each job on two captures of 100,000 packets, `small` (in turn) and `random` (order, length,
# family and direction drawn at random), and compares the counts with benches/instructions.tsv. Ends
# with status 1 where one differs by more than 1 %, or where the table does not have it. --bless
# records the counts of these jobs, and leaves the other rows as they are. VXDUMP, VXREWRITE and
# MAKE_CAPTURE name the programs (default: target/release's, built).
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
target=${CARGO_TARGET_DIR:-$root/target}
table=$root/benches/instructions.tsv
packets=100000
bless=
[[ ${1:-} == --bless ]] && { bless=yes; shift; }
jobs=("$@")
((${#jobs[@]})) || jobs=(text json csv flows count pass-through decap)

build() { cargo build --quiet --release --manifest-path "$root/Cargo.toml" -p "$1"; }
command -v valgrind > /dev/null || { echo "instructions.sh: valgrind is needed" >&2; exit 2; }
[[ -n ${VXDUMP:-} ]] || { build vxdump; VXDUMP=$target/release/vxdump; }
[[ -n ${VXREWRITE:-} ]] || { build vxrewrite; VXREWRITE=$target/release/vxrewrite; }
[[ -n ${MAKE_CAPTURE:-} ]] || { build vxdump-benches; MAKE_CAPTURE=$target/release/make-capture; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# command JOB FILE: what is run
command_of() {
    case $1 in
        text) echo "$VXDUMP -r $2" ;;
        json) echo "$VXDUMP -r $2 --format json" ;;
        csv) echo "$VXDUMP -r $2 --format csv" ;;
        flows) echo "$VXDUMP flows -r $2 --threads 1 --format csv" ;;
        count) echo "$VXDUMP -r $2 --count" ;;
        pass-through) echo "$VXREWRITE -r $2 -w $work/out.pcapng" ;;
        decap) echo "$VXREWRITE -r $2 -w $work/out.pcap --decap" ;;
        *) echo "instructions.sh: no job $1" >&2; exit 2 ;;
    esac
}

status=0
for capture in small random; do
    "$MAKE_CAPTURE" "$capture" "$packets" "$work/$capture.pcap"
    for job in "${jobs[@]}"; do
        read -ra words <<< "$(command_of "$job" "$work/$capture.pcap")"
        env -i PATH="$PATH" TZ=UTC valgrind --tool=callgrind --callgrind-out-file=/dev/null \
            "${words[@]}" > /dev/null 2> "$work/said" || { cat "$work/said" >&2; exit 1; }
        count=$(awk '/Collected/ { print $NF }' "$work/said")
        [[ $count =~ ^[0-9]+$ ]] || { cat "$work/said" >&2; echo "instructions.sh: callgrind gave no count" >&2; exit 1; }
        printf '%s\t%s\t%s\n' "$capture" "$job" "$count" >> "$work/counted"
        before=$(awk -F '\t' -v c="$capture" -v j="$job" '$1 == c && $2 == j { print $3 }' "$table" 2> /dev/null || true)
        change=$(awk -v a="$count" -v b="${before:-0}" 'BEGIN { if (b) printf "%+.2f %%", (a / b - 1) * 100; else print "new" }')
        printf '%-7s %-13s %14s  %s\n' "$capture" "$job" "$count" "$change"
        # without a recorded count, b is 0: that fails too
        if awk -v a="$count" -v b="${before:-0}" 'BEGIN { exit !(a > b * 1.01 || a < b * 0.99) }'; then
            status=1
        fi
    done
done
if [[ -n $bless ]]; then
    [[ -e $table ]] || printf 'capture\tjob\tinstructions\n' > "$table"
    # rows keep their place; new ones come last
    awk -F '\t' '
        NR == FNR { count[$1, $2] = $0; order[++rows] = $1 SUBSEP $2; next }
        ($1, $2) in count { print count[$1, $2]; delete count[$1, $2]; next }
        { print }
        END { for (i = 1; i <= rows; i++) if (order[i] in count) print count[order[i]] }
    ' "$work/counted" "$table" > "$work/table"
    cp "$work/table" "$table"
    exit 0
fi
exit "$status"
