# Runs in the nested machine: exits of the virtual CPU and frames that cross meanwhile, load by load.
# The caller has put TENDER, IMAGE and one `load NAME OPTIONS` of iperf3 a line around this.
kvm=/sys/kernel/debug/kvm
link=/sys/class/net/tap0/statistics
mount -t debugfs none /sys/kernel/debug || exit
ip tuntap add tap0 mode tap
ip address add 10.99.0.1/24 dev tap0
ip link set tap0 up
"$TENDER" --mem=64 --net:service=tap0 "$IMAGE" --ipv4=10.99.0.2/24 --logs=error &
until ping -c 1 -W 1 10.99.0.2 >/dev/null; do :; done
# What leaves the queue of the tap is what the guest receives; what finds it full is lost.
counts() {
    cat $kvm/exits $kvm/io_exits $link/tx_packets $link/rx_packets $link/tx_bytes $link/rx_bytes \
        $link/tx_dropped | tr '\n' ' '
}
load() {
    name=$1
    shift
    before=$(counts)
    iperf3 -c 10.99.0.2 -t 4 "$@" >/tmp/said 2>&1 || cat /tmp/said
    echo "exits $name $before$(counts)"
}
