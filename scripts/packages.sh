#!/usr/bin/env bash
# Installs the Debian packages that the tests and checks need, where it may. Where it may
# not, it says aloud what is missing, and in CI that is a failure.
set -euo pipefail
export PATH="$PATH:/usr/sbin:/sbin"

"$(dirname "$0")/unpack.sh"

# One line a package: its name in Debian, and the program or file that proves it
# is there, however it came.
packages='
gcc                         gcc
libc6-dev                   /usr/include/stdlib.h
dnsmasq-base                dnsmasq
tftp-hpa                    tftp
tftpd-hpa                   in.tftpd
kea-dhcp4-server            kea-dhcp4
isc-dhcp-server             dhcpd
rsync                       rsync
iproute2                    ip
nftables                    nft
curl                        curl
ipmitool                    ipmitool
openipmi                    ipmi_sim
systemd                     systemd-analyze
zstd                        zstd
nasm                        nasm
qemu-system-x86             qemu-system-x86_64
qemu-system-arm             qemu-system-aarch64
ipxe-qemu                   /usr/lib/ipxe/qemu/efi-virtio.rom
ovmf                        /usr/share/OVMF/OVMF_CODE_4M.fd
u-boot-qemu                 /usr/lib/u-boot/qemu_arm64/u-boot.bin
pxelinux                    /usr/lib/PXELINUX/pxelinux.0
syslinux-common             /usr/lib/syslinux/modules/bios/ldlinux.c32
syslinux-efi                /usr/lib/SYSLINUX.EFI/efi64/syslinux.efi
ipxe                        /usr/lib/ipxe/ipxe.efi
grub-common                 grub-mknetdir
grub-pc-bin                 /usr/lib/grub/i386-pc/moddep.lst
grub-efi-amd64-bin          /usr/lib/grub/x86_64-efi/moddep.lst
grub-efi-amd64-signed       /usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed
busybox-static              /usr/share/doc/busybox-static
binutils-aarch64-linux-gnu  aarch64-linux-gnu-as
'
# What installs a service that would start: it is for the tests to start.
services=(tftpd-hpa openipmi kea-dhcp4-server isc-dhcp-server rsync)

missing() {
  while read -r package proof; do
    [ -n "$package" ] || continue
    case $proof in
      /*) [ -e "$proof" ] || echo "$package" ;;
      *) command -v "$proof" >/dev/null || echo "$package" ;;
    esac
  done <<<"$packages"
}

# No package may start a service while it is installed: policy-rc.d(8) is asked,
# and 101 forbids. One that is there already and allows it stands aside meanwhile.
policy=/usr/sbin/policy-rc.d
aside=
forbid_services() {
  if [ -e "$policy" ]; then
    status=0
    "$policy" tftpd-hpa start >/dev/null 2>&1 || status=$?
    [ "$status" -ne 101 ] || return 0
    aside=$(mktemp "$policy.XXXXXX")
    mv "$policy" "$aside"
  fi
  trap allow_services EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
}
allow_services() {
  rm -f "$policy"
  [ -z "$aside" ] || mv "$aside" "$policy"
}

look() { mapfile -t lacking < <(missing); }
look
[ "${#lacking[@]}" -gt 0 ] || exit 0

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
  echo "installing what the tests need: ${lacking[*]}"
  export DEBIAN_FRONTEND=noninteractive
  forbid_services
  install() { apt-get install -qq -y --no-install-recommends "${lacking[@]}" >/dev/null; }
  # The lists of packages are fetched only where they are missing or too old.
  install 2>/dev/null || { apt-get update -qq && install; } || true
  for s in "${services[@]}"; do
    case " ${lacking[*]} " in *" $s "*) update-rc.d "$s" disable >/dev/null 2>&1 || true ;; esac
  done
  look
  [ "${#lacking[@]}" -gt 0 ] || exit 0
fi

cat >&2 <<TXT
*** MISSING: ${lacking[*]}
*** Tests that need these will be skipped, or cannot be built. On Debian or Ubuntu:
***   sudo apt-get install --no-install-recommends ${lacking[*]}
TXT
[ -z "${CI:-}" ] || exit 1
