#!/bin/sh
# A machine for tests, in the directory $1: "state" says whether it is on,
# "actions" what was done to it, "password" who may, "behaviour" how its manager
# treats what it is asked.
cd "$1" || exit 1
read -r behaviour <behaviour

case $behaviour in silent) exec sleep 600 ;; esac
read -r password <password
if [ "$PASSWORD" != "$password" ]; then
  echo "login as $USERNAME with $PASSWORD: wrong user or password" >&2
  exit 77
fi

become() {
  if [ "$behaviour" != idle ]; then
    echo "$1" >>actions
    echo "power is $2" >"state.$$" && mv "state.$$" state
  fi
  case $behaviour in mute) sleep 600 ;; esac
}

case $behaviour:$2 in
  nonsense:*) printf 'power is \033[31mwhat %s\0?\n' "$PASSWORD" ;;
  *:status) cat state ;;
  *:on) become on on ;;
  *:off) become off off ;;
  *:reset) become reset on ;;
  *) echo "unknown verb $2" >&2; exit 64 ;;
esac
