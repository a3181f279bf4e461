#!/usr/bin/env bash
# Live capture under load: one generator against one capturer on a veth pair, in namespaces of its
# own.
#
#   benches/load/compare.sh [--seconds S] [--rates "100000 300000 600000 top"] [--only REGEX]
#                           [--capture-cpu N] [--rounds N] [--tools FILE] [--raw FILE]
#
# Prints a table; a cell says: thousand frames a second that arrived at the device / share of them
# that the tool did not capture / CPU seconds of the tool. As root; without root in a user
# namespace, where tcpdump does not start. VXDUMP and VXLOAD name the programs (default: those of
# target/release; vxload is built).
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
root=$(cd -- "$here/../.." && pwd -P)
arguments=("$@")
seconds=4 rates='100000 300000 600000 top' only=. capture_cpu='' rounds=1 tools=$here/tools.tsv raw=/dev/null inside=no
die() { echo "compare.sh: $*" >&2; exit 1; }
while (($#)); do
    case $1 in
        --seconds | --rates | --only | --tools | --raw | --rounds | --capture-cpu)
            (($# > 1)) || die "$1 needs a value"
            name=${1#--}
            printf -v "${name//-/_}" %s "$2"
            shift
            ;;
        --inside-userns) inside=yes ;; # set by this script when it calls itself
        -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" && exit 0 ;;
        *) die "unknown argument $1" ;;
    esac
    shift
done
[[ $rounds =~ ^[1-9][0-9]?$ ]] || die "--rounds is a number from 1 to 99, not '$rounds'"
for rate in $rates; do
    [[ $rate =~ ^([0-9]+|top)$ ]] || die "a rate is a number or 'top', not '$rate'"
done

target=${CARGO_TARGET_DIR:-$root/target}
export VXDUMP=${VXDUMP:-$target/release/vxdump} VXLOAD=${VXLOAD:-}
if [[ -z $VXLOAD ]]; then
    cargo build --quiet --release --manifest-path "$root/Cargo.toml" -p vxload
    export VXLOAD=$target/release/vxload
fi

if [[ $EUID -ne 0 && $inside = no ]]; then
    exec unshare --user --map-root-user --net --mount -- "$BASH" -c \
        'mount -t tmpfs -o mode=755 tmpfs /run && mkdir /run/netns && exec "$0" "$@"' \
        "$BASH" "${BASH_SOURCE[0]}" --inside-userns "${arguments[@]}"
fi

generating=vxload-$$-gen capturing=vxload-$$-cap
folder=$(mktemp -d -p /dev/shm vxload.XXXXXX 2>/dev/null || mktemp -d)
export DEV=c0 OUT=$folder/out
capturer=''
clean() {
    [[ -z $capturer ]] || kill -KILL "$capturer" 2>/dev/null || true
    ip netns del "$generating" 2>/dev/null || true
    ip netns del "$capturing" 2>/dev/null || true
    rm -rf -- "$folder"
}
trap clean EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# The generator's frames are to nobody's MAC, and IPv6 is off: nothing but its frames is on the
# wire.
ip netns add "$generating"
ip netns add "$capturing"
for netns in "$generating" "$capturing"; do
    nsenter --net="/run/netns/$netns" -- "$BASH" -c 'cd /proc/sys/net/ipv6/conf 2>/dev/null || exit 0
        for each in all default; do echo 1 >"$each/disable_ipv6"; done'
done
ip -n "$generating" link add g0 arp off type veth peer name c0 arp off netns "$capturing"
ip -n "$generating" link set g0 up
ip -n "$capturing" link set c0 up

received() { # frames that arrived at the device so far
    ip -n "$capturing" -s link show dev c0 | awk '/RX:/ { getline; print $2 }'
}
backlog_drops() { # packets that the kernel dropped before any socket: /proc/net/softnet_stat, second column
    local total=0 column
    while read -r _ column _; do total=$((total + 16#$column)); done </proc/net/softnet_stat
    echo "$total"
}
said() { # PHRASE: the last number that the tool said with it
    # dumpcap says `Packets captured: N`.
    { grep -oE "[0-9]+ packets? $1|Packets $1: [0-9]+" "$folder/said" || true; } | tail -n 1 | tr -cd 0-9
}

# Sets `cell`. $1 share, $2 command, $3 rate
measure() {
    local tries=0 pace=() pin=() before drops sent arrived report millis captured dropped cpu
    [[ $3 = top ]] || pace=(--rate "$3")
    [[ -z $capture_cpu ]] || pin=(taskset -c "$capture_cpu")
    rm -f -- "$OUT" "$folder"/{pid,cpu,said}
    # A shell of its own, with one child, so that `times` is that child's.
    (
        # `ip netns exec` and bash replace themselves: the child is the tool.
        ip netns exec "$capturing" ${pin[@]+"${pin[@]}"} "$BASH" -c "exec $2" 2>"$folder/said" >/dev/null &
        echo $! >"$folder/pid.new"
        mv "$folder/pid.new" "$folder/pid"
        wait $! || true
        # Not through a pipe, whose end would be another shell with other children.
        times >"$folder/cpu.new"
        mv "$folder/cpu.new" "$folder/cpu"
    ) 2>/dev/null &
    local shell=$!
    # Ready once its packet socket is there (/proc/net/packet has a heading), with its filter a
    # little later.
    until [[ -s $folder/pid ]] &&
        (($(nsenter --net="/run/netns/$capturing" -- cat /proc/net/packet | wc -l) > 1)); do
        if ((++tries > 100)) || [[ -s $folder/cpu ]]; then
            cell=failed
            echo "compare.sh: $2: $(tail -n 1 "$folder/said")" >&2
            [[ ! -s $folder/pid ]] || kill "$(<"$folder/pid")" 2>/dev/null || true
            wait "$shell" || true
            return 0
        fi
        sleep 0.05
    done
    capturer=$(<"$folder/pid")
    sleep 0.5

    before=$(received) drops=$(backlog_drops)
    report=$(ip netns exec "$generating" taskset -c 0 "$VXLOAD" --seconds "$seconds" ${pace[@]+"${pace[@]}"} g0)
    # The last block of a ring is handed over up to a second later.
    sleep 1.3
    sent=${report%% *}
    millis=$(sed -E 's/.* ([0-9]+) ms.*/\1/' <<<"$report")
    arrived=$(($(received) - before)) drops=$(($(backlog_drops) - drops))

    kill -TERM "$capturer" 2>/dev/null || true
    for ((tries = 0; tries < 200; tries++)); do
        [[ ! -s $folder/cpu ]] || break
        sleep 0.05
    done
    [[ -s $folder/cpu ]] || kill -KILL "$capturer" 2>/dev/null || true
    wait "$shell" || true
    capturer=''

    captured=$(said captured) dropped=$(said 'dropped by kernel')
    # The second line is the children's user and system time: 0m1.234s 0m0.567s
    cpu=$(awk 'NR == 2 { gsub(/[ms]/, " "); $0 = $0; print $1 * 60 + $2 + $3 * 60 + $4 }' "$folder/cpu")
    cell=$(awk -v arrived="$arrived" -v captured="${captured:--1}" -v share="$1" -v ms="$millis" -v cpu="$cpu" 'BEGIN {
        split(share, part, "/")
        expected = arrived * part[1] / (part[2] ? part[2] : 1)
        lost = captured < 0 ? "?" : expected > captured + 1 ? sprintf("%.2f", 100 * (1 - captured / expected)) : "0"
        printf "%.0f / %s / %.2f", arrived / ms, lost, cpu
    }')
    printf '%s\t%s\tsent %s\tarrived %s\tcaptured %s\tdropped %s\tbacklog %s\t%s ms\tcpu %s\n' \
        "$2" "$3" "$sent" "$arrived" "${captured:-?}" "${dropped:-?}" "$drops" "$millis" "$cpu" >>"$raw"
    ((drops == 0)) || echo "compare.sh: $drops frames dropped by the kernel before any socket" >&2
}

# The tools of a round follow one another, so that what else the machine does meets all of them.
round() {
    # shellcheck disable=SC2086 # one word a rate
    printf '\n| tool |' && printf ' %s |' $rates && printf '\n|---|' && printf -- '---|%.0s' $rates && printf '\n'
    local name share command program rate row
    while IFS=$'\t' read -r name share command; do
        [[ -n $command && $name != \#* && $name =~ $only ]] || continue
        program=$(eval "set -- ${command%%>*}"; echo "$1")
        if ! command -v "$program" >/dev/null; then
            echo "compare.sh: left out '$name': no $program" >&2
            continue
        fi
        row="| $name |"
        for rate in $rates; do
            measure "$share" "$command" "$rate"
            row+=" $cell |"
            rm -f -- "$OUT"
        done
        echo "$row"
    done <"$tools"
}
for ((made = 0; made < rounds; made++)); do round; done
