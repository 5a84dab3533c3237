#!/bin/sh
# What ipmi_sim calls to drive its machine: DIRECTORY ADDRESS get|set WHAT [VALUE].
# It passes that on to the test whose machine it is.
dir=$1
shift 2
exec curl --silent --show-error --fail --max-time 5 --unix-socket "$dir/chassis" --data "$*" http://chassis/
