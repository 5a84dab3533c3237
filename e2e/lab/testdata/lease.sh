#!/bin/busybox sh
# What udhcpc runs when something comes of what it asked for.
[ "$1" != bound ] || ip addr add "$ip/$mask" dev "$interface"
