#!/bin/busybox sh
# The first process of the lab's Linux. It says on the serial line which command
# line the kernel was given, as the marker kernel does, and does what /then says.
/bin/busybox mount -t proc proc /proc
mount -t devtmpfs dev /dev
mount -t sysfs sys /sys
exec </dev/ttyS0 >/dev/ttyS0 2>&1
echo 1 >/proc/sys/kernel/printk # what the kernel says shall not get into our lines
read -r line </proc/cmdline
printf '\n[[BOOTED %s]]\n' "$line"

# drivers makes the network card and the disk usable.
drivers() {
  for m in $(cat /modules); do insmod "/lib/$m.ko"; done
}

# network asks for an address until there is one.
network() {
  ip link set eth0 up
  udhcpc -q -i eth0 -s /bin/lease
}

. /then
poweroff -f
