# Measures commands beside each other in one run. Sourced by the scripts of this folder, whose first
# comment is their help.
#
# Sets: root, target, work (a folder in a tmpfs, taken away at the end); packets, runs.

set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
script=$0
target=${CARGO_TARGET_DIR:-$root/target}
packets=2000000 runs=5 folder=/dev/shm
declare -A best cpus memory

die() { echo "$(basename "$script"): $*" >&2; exit 1; }

# Reads the command line, builds make-capture, and makes the folder.
begin() {
    while (($#)); do
        case $1 in
            --packets | --runs | --folder)
                (($# > 1)) || die "$1 needs a value"
                printf -v "${1#--}" %s "$2"
                shift
                ;;
            -h | --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$script" && exit 0 ;;
            *) die "unknown argument $1" ;;
        esac
        shift
    done
    [[ $packets =~ ^[1-9][0-9]*$ && $runs =~ ^[1-9][0-9]*$ ]] || die "--packets and --runs are numbers"
    [[ -x /usr/bin/time ]] || die "GNU time is needed: it tells the memory"
    build vxdump-benches
    work=$(mktemp -d "$folder/vx-bench.XXXXXX")
    trap 'rm -rf "$work"' EXIT
}

build() { cargo build --quiet --release --manifest-path "$root/Cargo.toml" -p "$1"; }

# program VARIABLE PACKAGE: what the variable names is measured, or else that of target/release,
# which is built.
program() {
    local -n named=$1
    if [[ -z ${named:-} ]]; then
        build "$2"
        named=$target/release/$2
    fi
}

# capture KIND PACKETS FILE
capture() { "$target/release/make-capture" "$@"; }

# What is done before each run.
before() { :; }

# Runs a command once: microseconds, those of the processor, and the largest memory in KiB.
once() {
    before
    local start=$EPOCHREALTIME end
    /usr/bin/time -o "$work/time" -f '%U %S %M' "$@" > /dev/null 2> "$work/said" || die "$*: $(tail -1 "$work/said")"
    end=$EPOCHREALTIME
    echo $((${end/./} - ${start/./})) "$(awk '{ printf "%d %d", ($1 + $2) * 1e6, $3 }' "$work/time")"
}

# Runs commands in turn, `name|most runs|command` each, and keeps the best times and the largest
# memory by name. What is not installed is passed over.
compare() {
    best=() cpus=() memory=()
    local run entry name most line micros cpu kib
    for ((run = 0; run < runs; run++)); do
        for entry in "$@"; do
            IFS='|' read -r name most line <<< "$entry"
            read -ra command <<< "$line"
            if ((run >= most)) || ! command -v "${command[0]}" > /dev/null; then continue; fi
            read -r micros cpu kib <<< "$(once "${command[@]}")"
            if ((micros < ${best[$name]:-micros + 1})); then best[$name]=$micros; fi
            if ((cpu < ${cpus[$name]:-cpu + 1})); then cpus[$name]=$cpu; fi
            if ((kib > ${memory[$name]:-0})); then memory[$name]=$kib; fi
        done
    done
}

# table TITLE NAME COMMANDS...: the times, and how many times as long as NAME each takes.
table() {
    local title=$1 one=$2 entry name
    shift 2
    printf '%-34s %10s %10s %12s %12s\n' "$title" seconds processor "of $one" 'memory KiB'
    for entry in "$@"; do
        name=${entry%%|*}
        [[ -n ${best[$name]:-} ]] || continue
        awk -v name="$name" -v micros="${best[$name]}" -v cpu="${cpus[$name]}" -v one="${best[$one]}" \
            -v kib="${memory[$name]}" \
            'BEGIN { printf "%-34s %10.3f %10.3f %12.2f %12d\n", name, micros / 1e6, cpu / 1e6, micros / one, kib }'
    done
    echo
}

# The size of a file for a title.
size() { du -BM --apparent-size "$1" | cut -f1; }
