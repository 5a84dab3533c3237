# An installer, in short: it writes to the disk what boots there from now on, tells
# that its machine shall boot from the disk, and reboots. The kernel makes variables
# of what it does not know on its command line, such as server=ADDRESS:PORT.
drivers
network
cat /disk >/dev/vda
sync
echo installed
read -r mac </sys/class/net/eth0/address
export server
export body="{\"hosts\":[{\"mac_address\":\"$mac\"}]}"
until nc "${server%:*}" "${server#*:}" -e /bin/done; do
  echo "no answer"
  sleep 1
done
reboot -f
