#!/usr/bin/env bash
# Reading a capture: vxdump's text beside tcpdump's, its JSON beside tshark's fields, and its
# memory.
#
#   benches/read.sh [--packets N] [--runs N] [--folder DIR]
#
# Makes a capture of N packets (default 2,000,000: 0.8 GB) in a tmpfs (default /dev/shm), runs each
# command so many times (default 5; tcpdump 2, tshark once) in turn, all with their output to
# /dev/null, and prints the best times, how many times as long as vxdump each takes, and the largest
# memory; then vxdump's memory for a quarter of the file. VXDUMP names the program (default: that of
# target/release, which is built).
source "$(dirname -- "${BASH_SOURCE[0]}")/beside.sh"

begin "$@"
program VXDUMP vxdump
in=$work/in.pcap
capture small "$packets" "$in"
fields=
for field in frame.time_epoch frame.number frame.len frame.cap_len vxlan.vni vxlan.flags eth.src eth.dst eth.type ip.src ip.dst \
    ipv6.src ipv6.dst ip.ttl ipv6.hlim ip.proto udp.srcport udp.dstport udp.checksum tcp.srcport tcp.dstport tcp.flags \
    tcp.seq_raw tcp.ack_raw tcp.window_size_value tcp.len; do
    fields+=" -e $field"
done

texts=("vxdump|$runs|$VXDUMP -r $in" "tcpdump -nn|2|tcpdump -nn -r $in")
compare "${texts[@]}"
table "text, $(size "$in")" vxdump "${texts[@]}"
kib=${memory[vxdump]}

objects=(
    "vxdump|$runs|$VXDUMP -r $in --format json"
    "tshark -T fields|1|tshark -n -r $in -d udp.port==8472,vxlan -T fields$fields"
)
compare "${objects[@]}"
table "fields, $(size "$in")" vxdump "${objects[@]}"

capture small $((packets / 4)) "$in"
read -r _ _ quarter <<< "$(once "$VXDUMP" -r "$in")"
echo "vxdump's text: $kib KiB at the most, of a quarter of the file $quarter KiB"
