#!/usr/bin/busybox sh
# The first process of the nested machine. It loads the modules, runs the job with its words on the
# second serial line, sends what the job left through the virtio port, and turns the machine off.
export PATH=/usr/sbin:/usr/bin HOME=/root LANG=C TERM=dumb
# Where there is no program of that name yet.
/usr/bin/busybox --install -s /usr/bin 2>/dev/null
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/net /dev/pts /dev/shm
mount -t devpts pts /dev/pts
mount -t tmpfs shm /dev/shm
ln -s /proc/self/fd /dev/fd
while read -r module; do
    insmod "$module" || echo "bed: cannot load $module"
done </modules/order
[ -c /dev/net/tun ] || mknod /dev/net/tun c 10 200
ip link set lo up
stty -F /dev/ttyS1 raw -echo
cd /root || exit
# By its path: the shell of busybox would take itself, and then its own `ip` and `ping` too.
/usr/bin/sh /job </dev/null >/dev/ttyS1 2>&1
status=$?
# Messages of the kernel are wanted most when something went wrong.
dmesg >/out/dmesg.txt
mkdir /bed
mv /out /bed/out
echo $status >/bed/status
tar cf /dev/vport0p1 -C /bed .
poweroff -f
