package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pxe-pilot/pxe-pilot/e2e/lab"
)

// The example of the page: somebody types what it shows, sets DHCP up as it shows,
// and turns the machines on.
func TestBootTheExample(t *testing.T) {
	steps, err := lab.Session(lab.Read(t, bootloaders))
	if err != nil {
		t.Fatal(err)
	}
	sandbox := lab.NewSandbox(t)
	sandbox.Install(t)
	for _, wrong := range sandbox.Play(t, steps) {
		t.Errorf("%s: %v", bootloaders, wrong)
	}
	site := lab.NewUnservedSite(t)
	marker := lab.Read(t, filepath.Join(site.Root, "mark"))
	site.Root = sandbox.Path("/srv/tftp")
	blocks := blocksOf(t, bootloaders)
	i := slices.IndexFunc(blocks, func(b block) bool { return b.section == "dnsmasq" })
	site.ServeDHCP(t, lab.DnsmasqDHCP, here(site, blocks[i].text))
	lab.Serving(t, lab.StartCommand(t, sandbox.Command(t, "/usr/local/bin/pxe-pilot", "server")))

	file := lab.Read(t, sandbox.Path("/etc/pxe-pilot/pxe-pilot.yml"))
	machine := func(name string, firmware lab.Firmware, loader string) *lab.Machine {
		m := site.Machine(t, name, firmware)
		line := `{name: ` + m.Name + `, mac_addresses: ["` + m.MACs[0] + `"], bootloaders: [` + loader + `]}`
		if !strings.Contains(file, line) {
			t.Fatalf("the example lacks %s, as the machine of the lab is", line)
		}
		return m
	}
	boots := func(m *lab.Machine, by string) {
		m.PowerOn(t)
		words := strings.Fields(m.BootLine(t))
		m.Off(t)
		if !slices.Contains(words, "by="+by) || !slices.Contains(words, "auto=true") {
			t.Errorf("%s boots %q", m.Name, words)
		}
	}
	h1, h2, h3 := machine("h1", lab.PXE, "pxelinux"), machine("h2", lab.UEFI, "grub"), machine("h3", lab.BIOS, "ipxe")

	debian := filepath.Join(site.Root, "debian")
	lab.Linux(t, debian)
	for is, shall := range map[string]string{"vmlinuz": "linux", "initrd": "initrd.gz"} {
		if err := os.Rename(filepath.Join(debian, is), filepath.Join(debian, shall)); err != nil {
			t.Fatal(err)
		}
	}
	boots(h2, "grub")
	// The others do with less, and so are quicker.
	lab.Write(t, filepath.Join(debian, "linux"), marker)
	lab.Write(t, filepath.Join(debian, "initrd.gz"), "nothing")
	boots(h1, "pxelinux")
	boots(h3, "ipxe")
}
