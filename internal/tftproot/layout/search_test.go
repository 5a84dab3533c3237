package layout_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/tftproot/layout"
)

// searched tells what a machine asks for, a line each: what is not sure has a "?".
func searched(t *testing.T, b pxepilot.Bootloader, h *pxepilot.Host) string {
	t.Helper()
	asks, err := compile(t, b).Search(h, mac1)
	if err != nil {
		t.Fatal(err)
	}
	var s strings.Builder
	for _, a := range asks {
		fmt.Fprintf(&s, "%s: %s", a.By, strings.Join(a.Paths, " or "))
		if a.Pattern != "" {
			fmt.Fprintf(&s, "?%s", a.Pattern)
		}
		if a.If != "" {
			fmt.Fprintf(&s, " if %s", a.If)
		}
		s.WriteString("\n")
	}
	return s.String()
}

// hexIPs is what loaders ask for by the address 10.99.0.185, after a prefix.
func hexIPs(prefix string) string {
	var s strings.Builder
	for n := 8; n > 0; n-- {
		fmt.Fprintf(&s, "ip: %s%s\n", prefix, "0A6300B9"[:n])
	}
	return s.String()
}

// The orders are those that were read off the logs of TFTP servers.
func TestSearch(t *testing.T) {
	known := &pxepilot.Host{Name: "web1", MACs: []pxepilot.MAC{mac1, mac2}, UUID: uuid, Serial: "d126b1f0", IP: netip.MustParseAddr("::ffff:10.99.0.185")}
	const (
		uuids    = "11223344-5566-7788-99aa-bbccddeeff00 or %[1]s44332211-6655-8877-99aa-bbccddeeff00"
		dhcp     = " if the DHCP server sends option 97, the UUID, back to the machine\n"
		pxeuuid  = " if U-Boot's variable pxeuuid is set\n"
		defaults = "default: ?%[1]sdefault-<arch>-<soc>-<board>\ndefault: ?%[1]sdefault-<arch>-<soc>\ndefault: ?%[1]sdefault-<arch>\ndefault: %[1]sdefault\n"
	)
	pxelinux := func(folder string) string {
		return fmt.Sprintf("uuid: %[1]s"+uuids+"\nmac: %[1]s01-52-54-00-ab-cd-01\n", folder) + hexIPs(folder) + "default: " + folder + "default\n"
	}
	uboot := func(folder string) string {
		return fmt.Sprintf("uuid: %[1]s"+uuids+"?%[1]s<UUID>"+pxeuuid+"mac: %[1]s01-52-54-00-ab-cd-01\n", folder) + hexIPs(folder) + fmt.Sprintf(defaults, folder)
	}
	grub := func(prefix string) string {
		name := prefix + "grub.cfg-"
		return fmt.Sprintf("uuid: %[1]s"+uuids+"?%[1]s<UUID>"+dhcp+"mac: %[1]s01-52-54-00-ab-cd-01\n", name) + hexIPs(name)
	}
	for _, tt := range []struct {
		loader pxepilot.Bootloader
		want   string
	}{
		{pxepilot.Bootloader{Name: "pxelinux"}, pxelinux("pxelinux.cfg/")},
		{pxepilot.Bootloader{Name: "syslinux"}, pxelinux("pxelinux.cfg/")},
		{pxepilot.Bootloader{Name: "uboot"}, uboot("pxelinux.cfg/")},
		{pxepilot.Bootloader{Name: "grub"}, grub("boot/grub/") + "default: boot/grub/grub.cfg\n"},
		{pxepilot.Bootloader{Name: "grub-signed"}, "script: grub/grub.cfg\nmac: grub/host/01-52-54-00-ab-cd-01\ndefault: grub/host/default\n"},
		{pxepilot.Bootloader{Name: "ipxe", File: "scripts/boot.ipxe"}, "script: scripts/boot.ipxe\nmac: ipxe/01-52-54-00-ab-cd-01.ipxe\ndefault: ipxe/default.ipxe\n"},
		{pxepilot.Bootloader{Name: "ipxe", File: "ipxe.efi"}, "mac: ipxe/01-52-54-00-ab-cd-01.ipxe\ndefault: ipxe/default.ipxe\n"},
		{pxepilot.Bootloader{Name: "pi", Kind: pxepilot.Directory, Links: []string{"{serial}"}},
			"serial: d126b1f0/start4.elf\nserial: d126b1f0/start.elf\ndefault: start4.elf\ndefault: start.elf\n"},
		{pxepilot.Bootloader{Name: "pi", Kind: pxepilot.Directory, Links: []string{"{mac}"}, File: "bootcode.bin"},
			"mac: 52-54-00-ab-cd-01/start4.elf\nmac: 52-54-00-ab-cd-01/start.elf\ndefault: start4.elf\ndefault: start.elf\n"},
		// dnsmasq's tftp-unique-root=mac.
		{pxepilot.Bootloader{Name: "own", Kind: pxepilot.Directory, Links: []string{"{mac}"}, File: "pxelinux.0"},
			"mac: 52-54-00-ab-cd-01/pxelinux.0\ndefault: pxelinux.0\n"},
		// Loaders that the table does not know.
		{pxepilot.Bootloader{Name: "mine", Links: []string{"a/{name}", "b/{mac:bare}"}}, "name: a/web1\nmac: b/525400abcd01\n"},

		// In folders.
		{pxepilot.Bootloader{Name: "pxelinux", Links: []string{"bios/pxelinux.cfg/01-{mac}"}}, pxelinux("bios/pxelinux.cfg/")},
		{pxepilot.Bootloader{Name: "efi", Kind: "syslinux", File: "efi64/syslinux.efi"}, pxelinux("efi64/pxelinux.cfg/")},
		{pxepilot.Bootloader{Name: "pxelinux", File: "/bios/pxelinux.0"}, pxelinux("bios/pxelinux.cfg/")},
		{pxepilot.Bootloader{Name: "pxelinux", File: "pxelinux.0"}, pxelinux("pxelinux.cfg/")},
		{pxepilot.Bootloader{Name: "pxelinux", File: "http://10.0.0.1/lpxelinux.0"}, pxelinux("pxelinux.cfg/")},
		{pxepilot.Bootloader{Name: "pxelinux", File: "bios/pxelinux.0", ConfigPath: "pxelinux.cfg/"}, pxelinux("pxelinux.cfg/")},
		{pxepilot.Bootloader{Name: "pxelinux", File: "bios/pxelinux.0", ConfigPath: "/"}, pxelinux("pxelinux.cfg/")},
		{pxepilot.Bootloader{Name: "pxelinux", ConfigPath: "/bios/pxelinux.cfg/default"}, pxelinux("bios/pxelinux.cfg/")},
		{pxepilot.Bootloader{Name: "grub", ConfigPath: "boot/grub/grub.cfg"}, grub("boot/grub/") + "default: boot/grub/grub.cfg\n"},
		{pxepilot.Bootloader{Name: "pxelinux", ConfigPath: "/bios"}, pxelinux("bios/pxelinux.cfg/")},
		{pxepilot.Bootloader{Name: "uboot", File: "arm/boot.uimg"}, uboot("arm/pxelinux.cfg/")},
		{pxepilot.Bootloader{Name: "grub", Links: []string{"grub.cfg-01-{mac}"}}, grub("") + "default: grub.cfg\n"},
		{pxepilot.Bootloader{Name: "grub", File: "efi64/core.efi"}, grub("boot/grub/") + "default: boot/grub/grub.cfg\n"},
		{pxepilot.Bootloader{Name: "grub", ConfigPath: "efi64/grub/"}, grub("efi64/grub/") + "default: efi64/grub/grub.cfg\n"},
		{pxepilot.Bootloader{Name: "grub-signed", ConfigPath: "EFI/BOOT"}, "script: EFI/BOOT/grub.cfg\nmac: grub/host/01-52-54-00-ab-cd-01\ndefault: grub/host/default\n"},
		{pxepilot.Bootloader{Name: "grub-signed", File: "efi64/grubnetx64.efi"}, "script: grub/grub.cfg\nmac: grub/host/01-52-54-00-ab-cd-01\ndefault: grub/host/default\n"},

		// Two names, of which GRUB asks for the first by itself, and Foreman's grub.cfg
		// for both.
		{pxepilot.Bootloader{Name: "grub", Links: []string{"grub2/grub.cfg-01-{mac}", "grub2/grub.cfg-{mac:colon}"}},
			grub("grub2/") + "script: grub2/grub.cfg\nmac: grub2/grub.cfg-52:54:00:ab:cd:01\ndefault: grub2/default\n"},
		{pxepilot.Bootloader{Name: "grub2", Kind: "grub-signed", ConfigPath: "grub2/", Links: []string{"grub2/grub.cfg-01-{mac}", "grub2/grub.cfg-{mac:colon}"}},
			"script: grub2/grub.cfg\nmac: grub2/grub.cfg-01-52-54-00-ab-cd-01\nmac: grub2/grub.cfg-52:54:00:ab:cd:01\ndefault: grub2/default\n"},
		// A link that PXELINUX asks for by another thing than the MAC address, and one
		// that it does not ask for at all.
		{pxepilot.Bootloader{Name: "pxelinux", Links: []string{"pxelinux.cfg/{uuid}"}}, pxelinux("pxelinux.cfg/")},
		{pxepilot.Bootloader{Name: "pxelinux", Links: []string{"pxelinux.cfg/{name}"}}, pxelinux("pxelinux.cfg/")},
	} {
		if diff := cmp.Diff(tt.want, searched(t, tt.loader, known)); diff != "" {
			t.Errorf("%+v: -want +got\n%s", tt.loader, diff)
		}
	}
}

func TestNaming(t *testing.T) {
	for kind, want := range map[pxepilot.Kind]pxepilot.Naming{
		"pxelinux": pxepilot.BesideBoot, "syslinux": pxepilot.BesideBoot, "uboot": pxepilot.BesideBoot,
		"grub": pxepilot.Rooted, "grub-signed": pxepilot.Rooted,
		"ipxe": pxepilot.Plain, pxepilot.Directory: pxepilot.Plain,
		"": pxepilot.BesideBoot,
	} {
		if got := compile(t, pxepilot.Bootloader{Name: "x", Kind: kind, Links: []string{"x/{mac}"}}).Naming(); got != want {
			t.Errorf("%s: %q, want %q", kind, got, want)
		}
	}
}

func TestSearchOfUnknownHosts(t *testing.T) {
	unknown := &pxepilot.Host{Name: "web1", MACs: []pxepilot.MAC{mac1}, IP: netip.MustParseAddr("fd99::1")}
	ips := func(prefix string) string {
		var s strings.Builder
		for n := 8; n > 0; n-- {
			fmt.Fprintf(&s, "ip: ?%s<IP address, %d hex digits>\n", prefix, n)
		}
		return s.String()
	}
	for _, tt := range []struct{ loader, want string }{
		{"pxelinux", "uuid: ?pxelinux.cfg/<UUID>\nmac: pxelinux.cfg/01-52-54-00-ab-cd-01\n" + ips("pxelinux.cfg/") + "default: pxelinux.cfg/default\n"},
		{"grub", "uuid: ?boot/grub/grub.cfg-<UUID> if the DHCP server sends option 97, the UUID, back to the machine\n" +
			"mac: boot/grub/grub.cfg-01-52-54-00-ab-cd-01\n" + ips("boot/grub/grub.cfg-") + "default: boot/grub/grub.cfg\n"},
		{"ipxe", "mac: ipxe/01-52-54-00-ab-cd-01.ipxe\ndefault: ipxe/default.ipxe\n"},
	} {
		if diff := cmp.Diff(tt.want, searched(t, pxepilot.Bootloader{Name: tt.loader}, unknown)); diff != "" {
			t.Errorf("%s: -want +got\n%s", tt.loader, diff)
		}
	}
	if _, err := compile(t, pxepilot.Bootloader{Name: "mine", Links: []string{"{serial}"}}).Search(unknown, mac1); err == nil {
		t.Error("a link by a serial number that nobody knows")
	}
}

// What could be it.
func TestMatch(t *testing.T) {
	fits := func(loader string, step int) func(string) bool {
		asks, err := compile(t, pxepilot.Bootloader{Name: loader}).Search(&pxepilot.Host{Name: "web1", MACs: []pxepilot.MAC{mac1}}, mac1)
		if err != nil {
			t.Fatal(err)
		}
		return asks[step].Match.MatchString
	}
	for _, tt := range []struct {
		loader   string
		step     int
		yes, not []string
	}{
		{"pxelinux", 0, []string{"44332211-6655-8877-99aa-bbccddeeff00"}, []string{"44332211-6655-8877-99AA-BBCCDDEEFF00", "x44332211-6655-8877-99aa-bbccddeeff00", "default"}},
		{"pxelinux", 2, []string{"0A6300B9"}, []string{"0A6300B", "0a6300b9", "0A6300B90"}},
		{"pxelinux", 9, []string{"0", "C"}, []string{"0A", "G"}},
		{"grub", 0, []string{"grub.cfg-44332211-6655-8877-99aa-bbccddeeff00"}, []string{"44332211-6655-8877-99aa-bbccddeeff00", "grubXcfg-44332211-6655-8877-99aa-bbccddeeff00"}},
		{"grub", 2, []string{"grub.cfg-0A6300B9"}, []string{"0A6300B9"}},
		{"uboot", 10, []string{"default-arm-rockchip-rk3399", "default-x86-a.b-c_d"}, []string{"default-arm", "default-arm-zynq", "default-install-x-y"}},
		{"uboot", 11, []string{"default-arm-zynq"}, []string{"default-arm", "default-install-x"}},
		{"uboot", 12, []string{"default-arm", "default-riscv"}, []string{"default", "default-install", "default-arm-zynq"}},
	} {
		fit := fits(tt.loader, tt.step)
		for _, name := range tt.yes {
			if !fit(name) {
				t.Errorf("%s may ask for %s at step %d", tt.loader, name, tt.step)
			}
		}
		for _, name := range tt.not {
			if fit(name) {
				t.Errorf("%s never asks for %s at step %d", tt.loader, name, tt.step)
			}
		}
	}
}

// Whatever a host is like: what it asks for stays below the root, each once, and
// what is known fits the form of what is not.
func TestSearchProperty(t *testing.T) {
	loaders := []pxepilot.Bootloader{
		{Name: "mine", Links: []string{"a/{uuid}", "b/{mac:bare}"}}, {Name: "pi", Kind: pxepilot.Directory, Links: []string{"{serial}"}},
		{Name: "grub", Links: []string{"g/grub.cfg-01-{mac}", "g/grub.cfg-{mac:colon}"}}, {Name: "pxelinux", File: "bios/pxelinux.0"},
	}
	for _, row := range layout.Table {
		if row.Link != "" {
			loaders = append(loaders, pxepilot.Bootloader{Name: string(row.Kind)})
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		bytes := func(n int, what string) []byte { return rapid.SliceOfN(rapid.Byte(), n, n).Draw(rt, what) }
		h := &pxepilot.Host{Name: "h", Serial: "s", UUID: pxepilot.UUID(append(bytes(15, "uuid"), 1)), IP: netip.AddrFrom4([4]byte(bytes(4, "ip")))}
		mac := pxepilot.MAC(bytes(6, "mac"))
		h.MACs = []pxepilot.MAC{mac}
		if h.UUID.Swapped().Swapped() != h.UUID {
			rt.Fatalf("%s swapped twice is %s", h.UUID, h.UUID.Swapped().Swapped())
		}
		nobody := &pxepilot.Host{Name: h.Name, Serial: h.Serial, MACs: h.MACs, UUID: h.UUID}
		for _, b := range loaders {
			l := compile(t, b)
			asks, err := l.Search(h, mac)
			if err != nil {
				rt.Fatal(err)
			}
			if b.Name != "mine" {
				nobody.UUID = pxepilot.UUID{}
			}
			forms, err := l.Search(nobody, mac)
			if err != nil || len(forms) != len(asks) {
				rt.Fatalf("%d steps of a known host, %d of an unknown one: %v", len(asks), len(forms), err)
			}
			seen := map[string]bool{}
			for i, a := range asks {
				for _, p := range a.Paths {
					if seen[p] || strings.HasPrefix(p, "/") || strings.Contains("/"+p+"/", "/../") || p != strings.TrimSuffix(p, "/") {
						rt.Fatalf("%s asks for %q", b.Name, p)
					}
					seen[p] = true
					if m := forms[i].Match; m != nil && !m.MatchString(p[strings.LastIndexByte(p, '/')+1:]) {
						rt.Fatalf("%s asks for %q, which is not of the form %s", b.Name, p, forms[i].Pattern)
					}
				}
			}
		}
	})
}

func TestRunsOn(t *testing.T) {
	for _, tt := range []struct {
		kind       pxepilot.Kind
		file       string
		bios, uefi bool
	}{
		{"pxelinux", "", true, false},
		{"syslinux", "", false, true},
		{"grub", "", true, true},
		{"grub", "boot/grub/i386-pc/core.0", true, false},
		{"grub", "boot/grub/x86_64-efi/core.efi", false, true},
		{"grub-signed", "grubnetx64.efi.signed", false, true},
		{"ipxe", "undionly.kpxe", true, false},
		{"ipxe", "boot.ipxe", true, true},
		{"uboot", "", true, true},
	} {
		l := compile(t, pxepilot.Bootloader{Name: "x", Kind: tt.kind, File: tt.file})
		if l.RunsOn(pxepilot.BIOS) != tt.bios || l.RunsOn(pxepilot.UEFI) != tt.uefi || !l.RunsOn("") {
			t.Errorf("%s %s: %t on BIOS, %t on UEFI", tt.kind, tt.file, l.RunsOn(pxepilot.BIOS), l.RunsOn(pxepilot.UEFI))
		}
	}
}
