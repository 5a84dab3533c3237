# An installer that calls the server back, in short: it writes to the disk what boots
# there from now on, makes the calls of calls=PATH,PATH of the command line, below
# /v1/self/, says on the serial line what each was answered, and reboots. It knows no
# more than the address of the server.
drivers
network
[ "$disk" != write ] || cat /disk >/dev/vda
sync
IFS=,
for call in $calls; do
  while :; do
    answer=$(wget -q -O - --post-data= "http://$server/v1/self/$call" 2>&1)
    case $answer in *'"name"'* | *HTTP/1*) break ;; esac
    echo "no answer: $answer"
    sleep 1
  done
  echo "called $call: $answer"
done
[ "$disk" = write ] || poweroff -f
reboot -f
