package lab

import (
	"path/filepath"
	"testing"

	"github.com/pxe-pilot/pxe-pilot/internal/testenv"
)

// ovmf is the firmware, and what is in the machine's memory for its settings when it
// is new, where Debian has them.
const ovmf, ovmfSettings = "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"

// UEFI is a PC with OVMF, the firmware that real ones have the like of. It boots in
// less than three seconds, most of which it takes to get going:
//
// It counts time by its instructions (icount), of 64 ns each. So the seconds are short
// in which it looks for more offers of DHCP, and there still is time for what is done
// between two ticks of a clock: by 256 ns Linux has too little. The settings are kept
// as those of real machines are, for with new ones it starts twice. The ROM of QEMU's
// network card is left out, as that would have iPXE boot from the network, and not the
// firmware.
func UEFI(t testing.TB, m *Machine) []string {
	settings := filepath.Join(m.Dir, "settings")
	if !Exists(settings) {
		if !Exists(ovmfSettings) {
			testenv.Lack(t, "needs "+ovmfSettings+" (scripts/packages.sh installs what the tests need)")
		}
		Write(t, settings, Read(t, ovmfSettings))
	}
	return []string{"qemu-system-x86_64", "-machine", "q35", "-m", "256", "-icount", "shift=6,sleep=off",
		"-drive", "if=pflash,format=raw,unit=0,readonly=on,file=" + ovmf,
		"-drive", "if=pflash,format=raw,unit=1,file=" + settings,
		"-global", "virtio-net-pci.romfile=",
		"-fw_cfg", "name=opt/org.tianocore/IPv6Support,string=n"}
}

// HTTPBoot turns off in the machine's setup that it tries PXE before HTTP.
func HTTPBoot(m *Machine) { Args("-fw_cfg", "name=opt/org.tianocore/IPv4PXESupport,string=n")(m) }

// InstallEFI gives the machine a disk that boots, the first after the network card
// that machines boot from. QEMU makes it of the files of a directory.
func (m *Machine) InstallEFI(t testing.TB) {
	t.Helper()
	files := filepath.Join(m.Dir, "files")
	MakeDir(t, filepath.Join(files, "EFI", "BOOT"))
	assemble(t, markSource, filepath.Join(files, "EFI", "BOOT", "BOOTX64.EFI"), "-DDISK")
	m.more = append(m.more, "-drive", "if=none,id=files,format=raw,readonly=on,file=fat:"+files,
		"-device", "virtio-blk-pci,drive=files,bootindex=2")
}

// NoTFTP serves nothing, at sites whose machines boot by HTTP.
func NoTFTP(testing.TB, string, ...string) *TFTP { return &TFTP{} }
